"""Reads the lineage that a report writes with OpenLineage's own client: its classes are made from the specification's schemas.

The lines are golden files of functions/report; its tests see to it that they are what is written.
"""

import enum
import importlib
import json
import pkgutil
import re
import types
import typing
import uuid
from pathlib import Path
from urllib.parse import urlparse

import attr
import pytest
from openlineage.client import generated
from openlineage.client.generated import base
from openlineage.client.naming.dataset import S3, WASBS, Redshift

LINES = sorted((Path(__file__).resolve().parents[2] / "functions/report/tests/openlineage").glob("*.ndjson"))
EVENTS = {f"{path.stem}-{number}": json.loads(line) for path in LINES for number, line in enumerate(path.read_text().splitlines())}
MODULES = [importlib.import_module(f"openlineage.client.generated.{module.name}") for module in pkgutil.iter_modules(generated.__path__)]
NAMES = {name: item for module in [typing, *MODULES] for name, item in vars(module).items()}
FACETS = {name: item for module in MODULES for name, item in vars(module).items() if attr.has(item) and name.endswith("Facet")}

# Facets whose key the specification does not make of their name.
KEYS = {"DatasetVersionDatasetFacet": "version", "ProcessingEngineRunFacet": "processing_engine"}


def build(cls: type, fields: dict):
    """An object of the client's class: a field that it does not have, lacks or takes as another type is an error."""
    hints = typing.get_type_hints(cls, NAMES)
    known = {field.name.lstrip("_"): field for field in attr.fields(cls) if field.init}
    given = {name.lstrip("_"): value for name, value in fields.items() if name.lstrip("_") not in {"schemaURL"}}
    unknown = given.keys() - known.keys()
    assert not unknown, f"{cls.__name__} has no {sorted(unknown)}"
    return cls(**{name: value_of(hints[known[name].name], value) for name, value in given.items()})


def value_of(hint, value):
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        (hint,) = [argument for argument in arguments if argument is not type(None)]
        return value_of(hint, value)
    if origin is dict:
        assert isinstance(value, dict)
        return {key: value_of(arguments[1], item) for key, item in value.items()}
    if origin is list:
        assert isinstance(value, list)
        return [value_of(arguments[0], item) for item in value]
    if issubclass(hint, enum.Enum):
        return hint(value)
    if attr.has(hint):
        return facet(value) if issubclass(hint, base.BaseFacet) else build(hint, value)
    assert isinstance(value, (int, float) if hint is float else hint) and not (hint is int and isinstance(value, bool)), f"{value!r} is no {hint}"
    return value


def facet(fields: dict):
    """By the schema that it names, in the version that the client has."""
    name = fields["_schemaURL"].rpartition("/")[2]
    cls = FACETS[name]
    assert fields["_schemaURL"] == cls._get_schema()
    return build(cls, fields)


def test_there_are_events():
    assert {name.rpartition("-")[0] for name in EVENTS} == {"balanced", "failed", "bare"}
    assert len(EVENTS) == 6


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_what_the_specification_says(name):
    event = EVENTS[name]
    assert event["schemaURL"] == base.RunEvent._get_schema()
    built = build(base.RunEvent, event)
    assert built.eventType in base.EventType
    assert uuid.UUID(built.run.runId).version == 8
    for address in [event["producer"], *re.findall(r'"_producer": "([^"]*)"', json.dumps(event))]:
        assert urlparse(address).scheme


def test_the_facets_stand_under_their_names_and_in_their_places():
    places = {"run": base.RunFacet, "job": base.JobFacet, "facets": base.DatasetFacet}
    places |= {"inputFacets": base.InputDatasetFacet, "outputFacets": base.OutputDatasetFacet}
    seen = set()
    for event in EVENTS.values():
        datasets = [*event["inputs"], *event["outputs"]]
        found = [("run", event["run"]["facets"]), ("job", event["job"]["facets"])]
        found += [(place, dataset[place]) for dataset in datasets for place in ("facets", "inputFacets", "outputFacets") if place in dataset]
        for place, facets in found:
            for key, fields in facets.items():
                name = fields["_schemaURL"].rpartition("/")[2]
                assert issubclass(FACETS[name], places[place]), f"{name} is no facet of {place}"
                plain = re.sub(r"(Run|Job|InputDataset|OutputDataset|Dataset)Facet$", "", name)
                assert key == KEYS.get(name, plain[0].lower() + plain[1:])
                seen.add(key)
    expected = {"nominalTime", "processing_engine", "errorMessage", "jobType", "version", "schema", "columnLineage"}
    assert seen >= expected | {"inputStatistics", "outputStatistics"}


def test_datasets_are_named_as_the_client_names_them():
    event = EVENTS["balanced-1"]
    named = [(dataset["namespace"], dataset["name"]) for dataset in [*event["inputs"], *event["outputs"]]]
    expected = [
        WASBS("transactions", "shop", "2026/a.json"),
        WASBS("transactions", "shop", "2026/b.json"),
        S3("landing", "customers.csv"),
        Redshift("nightly", "eu-west-1", "5439", "dev", "analytics", "customer_transactions"),
    ]
    assert named == [(name.get_namespace(), name.get_name()) for name in expected]


def test_lineage_leads_to_datasets_that_are_there():
    event = EVENTS["balanced-1"]
    inputs = {(dataset["namespace"], dataset["name"]): {field["name"] for field in dataset["facets"]["schema"]["fields"]} for dataset in event["inputs"]}
    (output,) = event["outputs"]
    lineage = output["facets"]["columnLineage"]["fields"]
    assert lineage.keys() == {field["name"] for field in output["facets"]["schema"]["fields"]}
    for column, sources in lineage.items():
        assert sources["inputFields"], column
        for source in sources["inputFields"]:
            assert source["field"] in inputs[source["namespace"], source["name"]], column
