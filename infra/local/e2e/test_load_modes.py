"""The load by the Glue job and by the Data API: the same statements, so the same tables and the same books."""

import json
import uuid

import pytest
from faults.steps import StepFailed
from laptop import ledger
from laptop.inputs import Inputs
from world import World

MODES = ["glue", "direct"]
# What may differ between two loads of the same bytes.
OF_THE_LOAD = {"run_id", "source_version", "source_modified_at", "customers_version", "load_seconds", "run_seconds", "committed_at"}


@pytest.fixture(scope="module")
def loads(world: World) -> dict[str, dict]:
    """By mode: what the warehouse holds after the samples and a newer version of them, in which some rows are new to the table's key and most are not."""
    records = json.loads(Inputs().transactions.read_text())
    changed = [record | {"status": "refunded"} if i % 7 == 0 else record for i, record in enumerate(records)][10:]
    newer = json.dumps([*changed, records[0] | {"transaction_id": "T-new", "amount": "12.50"}]).encode()
    found = {}
    for mode in MODES:
        world.empty_warehouse()
        world.seed()
        world.configure(LOAD_MODE=mode)
        runs = [world.run()]
        world.put_blob(newer)
        runs.append(world.run())
        assert [(run.status, run.error) for run in runs] == [("SUCCEEDED", None)] * 2
        found[mode] = _contents(world, [run.name for run in runs])
        with world.stack.warehouse.connect() as connection:
            assert ledger.faults(connection, runs[-1].name, world.ledger(runs[-1].name)) == []
        found[mode]["outputs"] = [json.loads(run.output) for run in runs]
    return found


def _contents(world: World, names: list[str]) -> dict:
    """What two loads of the same bytes must have in common; a run is known by its number."""
    number = {name: i for i, name in enumerate(names)}
    columns = world.query("SELECT * FROM information_schema.columns WHERE table_schema IN ('analytics', 'crosstally') ORDER BY table_schema, table_name, 5")
    target = [column for _, _, table, column, *_ in columns if table == "customer_transactions" and column not in ("_run_id", "_loaded_at")]
    rows = f"SELECT _run_id, ROW({', '.join(target)})::text FROM analytics.customer_transactions ORDER BY transaction_id"
    kept = "SELECT run_id, source, source_uri, source_offset, rule, column_name, record, record_bytes FROM crosstally.quarantine"
    return {
        "rows": [(number[run], text) for run, text in world.query(rows)],
        "ledger": [{column: value for column, value in world.ledger(name).row.items() if column not in OF_THE_LOAD} for name in names],
        "quarantine": sorted((number[run], *rest) for run, *rest in world.query(kept)),
        "tables": columns,
    }


@pytest.mark.parametrize("what", ["rows", "ledger", "quarantine", "tables"])
def test_both_modes_leave_the_same(loads: dict[str, dict], what: str) -> None:
    assert loads["glue"][what]
    assert loads["direct"][what] == loads["glue"][what]


def test_the_ledger_counts_its_commits(loads: dict[str, dict]) -> None:
    for mode in MODES:
        assert [row["commit_order"] for row in loads[mode]["ledger"]] == [1, 2]
        inserted, updated, unchanged = ([row[f"rows_{fate}"] for row in loads[mode]["ledger"]] for fate in ("inserted", "updated", "unchanged"))
        assert inserted[0] > 0 and inserted[1] > 0
        assert updated[1] > 0 and unchanged[1] > 0


def test_sums_are_shared_out_to_the_fates(loads: dict[str, dict]) -> None:
    for row in loads["direct"]["ledger"]:
        for sums in json.loads(row["sums"]).values():
            parts = {name: int(text.replace(".", "")) for name, text in sums.items()}
            assert parts["clean"] == parts["loaded"] + parts["superseded"]
            assert parts["loaded"] == parts["inserted"] + parts["updated"] + parts["unchanged"]


def test_each_mode_was_used(loads: dict[str, dict]) -> None:
    for mode in MODES:
        assert {output["load"]["mode"] for output in loads[mode]["outputs"]} == {mode}


def test_direct_names_what_copy_could_not_take(world: World) -> None:
    """A clean file that is none: what the warehouse's own view knows of it stands in the execution's error."""
    world.seed()
    run_id = f"copy-{uuid.uuid4().hex[:8]}"
    world.steps.fetch_and_clean(run_id)
    quarantine = f"runs/{run_id}/quarantine/part-00000.parquet"
    bucket = world.session.deployment.bucket
    content = world.stack.client("s3").get_object(Bucket=bucket, Key=quarantine)["Body"].read()
    part = json.loads(world.stack.client("s3").get_object(Bucket=bucket, Key=f"runs/{run_id}/parts/part-00000.json")["Body"].read())
    part["clean"]["bytes"] = len(content)
    world.put_object(f"runs/{run_id}/parts/part-00000.json", json.dumps(part).encode())
    world.put_object(f"runs/{run_id}/clean/part-00000.parquet", content)
    before = world.tables()

    world.steps.start(run_id)
    with pytest.raises(StepFailed) as failed:
        world.steps.finish(run_id)

    assert failed.value.name == "LoadFailed"
    for fragment in ("copy_staging", f"runs/{run_id}/clean/part-00000.parquet", "line", "column"):
        assert fragment in failed.value.message, failed.value
    assert world.tables() == before
