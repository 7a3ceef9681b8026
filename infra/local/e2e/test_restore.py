"""A warehouse that was set back to an earlier point: what came after it is loaded again from the runs' own clean files, as docs/operations.md says."""

import json
import time
from collections.abc import Iterator

import pytest
from laptop.inputs import Inputs
from world import World

_PATIENCE = 180.0
# What another load of the same bytes may have otherwise.
_TIMES = {"load_seconds", "run_seconds", "committed_at"}
_KEPT = "run_id, source, source_uri, source_offset, rule, column_name, record, record_bytes"


class Point:
    """A copy of every table, and the way back to it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tables = [f"{schema}.{table}" for schema, table, *_ in world.tables()]
        world.execute("DROP SCHEMA IF EXISTS kept CASCADE; CREATE SCHEMA kept")
        for number, table in enumerate(self.tables):
            world.execute(f"CREATE TABLE kept.t{number} AS TABLE {table}")

    def restore(self) -> None:
        for number, table in enumerate(self.tables):
            self.world.execute(f"DELETE FROM {table}; INSERT INTO {table} TABLE kept.t{number}")


def _again(world: World, run_id: str) -> None:
    """What the operator's `again` calls, step by step."""
    sealed = world.stack.client("s3").get_object(Bucket=world.session.deployment.bucket, Key=f"runs/{run_id}/load.json")
    redrives = json.load(sealed["Body"])["redrives"] + 1
    answer, deadline = world.steps.start(run_id, redrives), time.monotonic() + _PATIENCE
    while not answer["finished"]:
        assert time.monotonic() < deadline, answer
        time.sleep(0.3)
        answer = world.steps.check(run_id, redrives)


def _contents(world: World) -> dict[str, list]:
    columns = [name for (name,) in world.query("SELECT column_name FROM information_schema.columns WHERE table_name = 'customer_transactions' ORDER BY 1")]
    lasting = ", ".join(column for column in columns if column != "_loaded_at")
    runs = [run for (run,) in world.query("SELECT run_id FROM crosstally.ledger ORDER BY commit_order")]
    return {
        "rows": world.query(f"SELECT {lasting} FROM analytics.customer_transactions ORDER BY transaction_id"),
        "ledger": [{name: value for name, value in world.ledger(run).row.items() if name not in _TIMES} for run in runs],
        "quarantine": world.query(f"SELECT {_KEPT} FROM crosstally.quarantine ORDER BY {_KEPT}"),
    }


def test_what_came_after_the_point_is_loaded_again(anew: World) -> None:
    records = json.loads(Inputs().transactions.read_text())
    newer = [record | {"status": "refunded"} if number % 7 == 0 else record for number, record in enumerate(records)]
    first = anew.run()
    point = Point(anew)
    anew.put_blob(json.dumps(newer[10:]).encode())
    second = anew.run()
    anew.put_blob(json.dumps(newer[:200]).encode())
    third = anew.run()
    assert [(run.status, run.error) for run in (first, second, third)] == [("SUCCEEDED", None)] * 3
    whole = _contents(anew)
    assert len(whole["ledger"]) == 3

    point.restore()
    assert [row["run_id"] for row in _contents(anew)["ledger"]] == [first.name]
    for run in (first, second, third):
        _again(anew, run.name)

    assert _contents(anew) == whole
    loaded = anew.tables()
    for run in (first, second, third):
        _again(anew, run.name)
    assert anew.tables() == loaded


def test_the_job_loads_it_again_too(anew: World) -> None:
    """A sealed run holds the statements of both ways in, so it may be loaded again in the other one."""
    first = anew.run()
    point = Point(anew)
    anew.put_blob(json.dumps(json.loads(Inputs().transactions.read_text())[:200]).encode())
    second = anew.run()
    assert [(run.status, run.error) for run in (first, second)] == [("SUCCEEDED", None)] * 2
    whole = _contents(anew)

    point.restore()
    anew.configure(LOAD_MODE="glue")
    _again(anew, second.name)

    assert _contents(anew) == whole
    loaded = anew.tables()
    _again(anew, second.name)
    assert anew.tables() == loaded


@pytest.fixture(autouse=True)
def nothing_kept(world: World) -> Iterator[None]:
    yield
    world.execute("DROP SCHEMA IF EXISTS kept CASCADE")
