"""The figures of a run as the functions write them into their logs, where CloudWatch takes them from."""

import json
import time

import pytest
from laptop.inputs import Inputs
from world import World

# What CloudWatch takes: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
UNITS = {"Count", "Bytes", "Seconds", "None"}


@pytest.fixture(scope="module")
def figures(world: World) -> dict[tuple, list]:
    """By name and further dimension, the values of one run; and its books beside them."""
    world.empty_warehouse()
    world.seed()
    world.configure(LOAD_MODE="glue")  # PostgreSQL's dialect, in which the seconds have fractions
    # Another blob than the last, so that it is copied anew.
    world.put_blob(Inputs().transactions.read_bytes() + b"\n")
    run = world.run()
    assert run.status == "SUCCEEDED", run.error
    lines = _lines_of(world, run.name)
    found: dict[tuple, list] = {("ledger",): [world.ledger(run.name)]}
    for line in lines:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        (dimensions,) = directive["Dimensions"]
        assert directive["Namespace"] == "Crosstally"
        assert line["Pipeline"] == world.session.deployment.stack
        assert line["_aws"]["Timestamp"] > 1_700_000_000_000
        for metric in directive["Metrics"]:
            assert metric["Unit"] in UNITS
            key = (metric["Name"], *(line[name] for name in dimensions if name != "Pipeline"))
            found.setdefault(key, []).append(line[metric["Name"]])
    return found


def test_rows_are_those_of_the_ledger(figures: dict[tuple, list]) -> None:
    (ledger,) = figures[("ledger",)]
    rows = {name: figures[(f"Rows{name.capitalize()}",)] for name in ("read", "superseded", "quarantined")}
    assert rows == {name: [ledger.rows[name]] for name in rows}
    for kind in ("inserted", "updated", "unchanged"):
        assert figures[(f"Rows{kind.capitalize()}",)] == [ledger.row[f"rows_{kind}"]]
    assert figures[("QuarantineRatio",)] == [pytest.approx(ledger.rows["quarantined"] / ledger.rows["read"])]
    assert {key[1]: values for key, values in figures.items() if key[0] == "RowsQuarantined" and len(key) == 2} == {
        rule: [count] for rule, count in ledger.quarantined_by_rule.items()
    }


def test_bytes_are_those_of_the_blob(figures: dict[tuple, list]) -> None:
    assert figures[("BytesFetched",)] == [Inputs().transactions.stat().st_size + 1]


def test_seconds_are_told_by_state(figures: dict[tuple, list]) -> None:
    states = {key[1]: values for key, values in figures.items() if key[0] == "Seconds"}
    assert states.keys() == {"FetchTransactions", "CleanSplit", "StartLoad", "WaitForLoad"}
    for name, values in states.items():
        assert len(values) == 1 and 0 < values[0] < 300, name
    (run,), (load,) = figures[("RunSeconds",)], figures[("LoadSeconds",)]
    assert 0 < load < run


def test_the_cost_is_told(figures: dict[tuple, list]) -> None:
    (cost,) = figures[("CostDollars",)]
    assert 0 < cost < 1


def _lines_of(world: World, run_id: str) -> list[dict]:
    """With what its report tells last, soon after its end."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        lines = [line for line in _lines(world) if line.get("run_id") == run_id]
        if any("CostDollars" in line for line in lines):
            return lines
        time.sleep(0.2)
    raise AssertionError(f"{run_id} was not reported")


def _lines(world: World) -> list[dict]:
    client = world.stack.client("logs")
    groups = [group["logGroupName"] for group in client.describe_log_groups()["logGroups"]]
    pages = (page for name in groups for page in client.get_paginator("filter_log_events").paginate(logGroupName=name))
    texts = [event["message"] for page in pages for event in page["events"] if '"_aws"' in event["message"]]
    return [json.loads(text) for text in texts]
