"""Somebody else's tool, datacontract-cli, reads the contract and looks at the loaded table."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from laptop import environment
from laptop.paths import DATACONTRACT_VENV, ROOT
from world import World

CONTRACT = yaml.safe_load((ROOT / "contract.odcs.yaml").read_text())
PROGRAM = DATACONTRACT_VENV / "bin" / "datacontract"
TABLE = "analytics.customer_transactions"
ONE_ROW = f"transaction_id = (SELECT min(transaction_id) FROM {TABLE})"

# What spoils the table, in this order, and the checks that must fail because of it. All in one table, for the tool takes seconds to look at one.
CORRUPTIONS = {
    f"INSERT INTO {TABLE} SELECT * FROM {TABLE} WHERE {ONE_ROW}": {("field_primary_key_unique", "transaction_id")},
    f"ALTER TABLE {TABLE} ALTER currency DROP NOT NULL; UPDATE {TABLE} SET currency = NULL WHERE {ONE_ROW}": {("field_required", "currency")},
    f"UPDATE {TABLE} SET amount = -0.01 WHERE {ONE_ROW}": {("field_minimum", "amount")},
    f"ALTER TABLE {TABLE} ALTER amount TYPE DECIMAL(20,4)": {("field_physical_type", "amount")},
    f"ALTER TABLE {TABLE} DROP city": {("field_is_present", "city"), ("field_physical_type", "city")},
}


@pytest.fixture(scope="module")
def loaded(world: World) -> World:
    assert PROGRAM.exists(), f"{PROGRAM} is missing: make setup"
    world.empty_warehouse()
    world.seed()
    assert world.run().status == "SUCCEEDED"
    return world


def test_the_loaded_table_keeps_the_contract(loaded: World, tmp_path: Path) -> None:
    report = datacontract_test(loaded, tmp_path)
    assert report["result"] == "passed"
    assert {check["result"] for check in report["checks"]} == {"passed"}
    checked = {(check["type"], check["field"]) for check in report["checks"]}
    for column in target()["properties"]:
        assert {("field_is_present", column["name"]), ("field_physical_type", column["name"])} <= checked


def test_a_table_that_breaks_the_contract_is_found_out(loaded: World, tmp_path: Path) -> None:
    before = loaded.tables()
    with spare_table(loaded):
        for spoil in CORRUPTIONS:
            loaded.execute(spoil)
        report = datacontract_test(loaded, tmp_path)
    assert report["result"] == "failed"
    failed = {(check["type"], check["field"]) for check in report["checks"] if check["result"] != "passed"}
    assert failed == set.union(*CORRUPTIONS.values())
    assert loaded.tables() == before


def target() -> dict:
    """The target as a table of its own: the tool knows no sources, so what a target's column leaves to them is filled in here."""
    objects = {found["name"]: found for found in CONTRACT["schema"]}
    table = next(found for found in CONTRACT["schema"] if custom(found, "join"))
    left = custom(table, "join")["left"]
    columns = []
    for column in table["properties"]:
        stated = {"required": custom(column, "derive") is not None}
        for name in column.get("transformSourceObjects", []):
            source_name, source_column = name.split(".")
            source = next(found for found in objects[source_name]["properties"] if found["name"] == source_column)
            stated |= {key: source[key] for key in ("logicalType", "physicalType", "logicalTypeOptions", "quality") if key in source}
            # A transaction without its customer is kept, so what is required of a customer is not of the table.
            stated["required"] = source.get("required", False) and source_name == left
        columns.append(stated | column)
    return table | {"properties": columns}


def custom(found: dict, name: str) -> dict | str | None:
    return next((entry["value"] for entry in found.get("customProperties", []) if entry["property"] == name), None)


def datacontract_test(world: World, folder: Path) -> dict:
    """Runs `datacontract test`; its report."""
    warehouse, table = world.stack.warehouse, target()
    # The tool takes the schema from the server and the bare name from the table.
    schema, _, name = table["physicalName"].rpartition(".")
    place = {"host": "127.0.0.1", "port": warehouse.port, "database": warehouse.database, "schema": schema}
    contract = CONTRACT | {"servers": [{"server": "local", "type": "postgres", **place}], "schema": [table | {"physicalName": name}]}
    file, out = folder / "contract.odcs.yaml", folder / "report.json"
    file.write_text(yaml.safe_dump(contract, sort_keys=False))
    nowhere = "http://127.0.0.1:9"
    variables = environment.without_aws(environment.of_tools()) | {
        "DATACONTRACT_POSTGRES_USERNAME": warehouse.user,
        "DATACONTRACT_POSTGRES_PASSWORD": warehouse.password,
        # It has no telemetry; should it learn to call anybody, the call ends here.
        **{variable: nowhere for scheme in ("HTTP", "HTTPS", "ALL") for variable in (f"{scheme}_PROXY", f"{scheme.lower()}_proxy")},
    }
    command = [PROGRAM, "test", file, "--server", "local", "--no-inline-references", "--output", out, "--output-format", "json"]
    ended = subprocess.run(command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert out.exists(), ended.stdout + ended.stderr
    report = json.loads(out.read_text())
    out.unlink()
    assert (ended.returncode == 0) == (report["result"] == "passed"), ended.stdout + ended.stderr
    return report


@contextlib.contextmanager
def spare_table(world: World) -> Iterator[None]:
    """A copy in the table's place, to be spoiled; afterwards the table itself is back."""
    schema, name = TABLE.split(".")
    world.execute(f"ALTER TABLE {TABLE} RENAME TO kept")
    try:
        world.execute(f"CREATE TABLE {TABLE} (LIKE {schema}.kept INCLUDING ALL); INSERT INTO {TABLE} SELECT * FROM {schema}.kept")
        yield
    finally:
        world.execute(f"DROP TABLE IF EXISTS {TABLE}; ALTER TABLE {schema}.kept RENAME TO {name}")
