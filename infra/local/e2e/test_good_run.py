"""The main job on the samples, loaded by Glue: what the warehouse holds afterwards is what a second, plain implementation of the rules expects."""

import csv
import json
import uuid
from collections import Counter
from pathlib import Path

import expected
import pytest
from laptop import ledger
from laptop.execution import Execution
from laptop.inputs import Inputs
from world import World


@pytest.fixture(scope="module")
def run(world: World) -> Execution:
    world.empty_warehouse()
    world.seed()
    world.configure(LOAD_MODE="glue")
    run = world.run()
    world.configure()
    return run


@pytest.fixture(scope="module")
def truth() -> dict:
    return expected.of_files(Inputs().customers, Inputs().transactions)


def test_the_execution_succeeds_and_ends_with_the_books(run: Execution) -> None:
    assert (run.status, run.error) == ("SUCCEEDED", None)
    assert list(run.states)[:4] == ["PrepareRun", "FetchTransactions", "WhatWasFetched", "MergeAndClean"]
    assert list(run.states)[-1] == "Done"
    output = json.loads(run.output)
    assert (output["run_id"], output["finished"], output["status"], output["load"]["mode"]) == (run.name, True, "BALANCED", "glue")


def test_whoever_watches_sees_the_job(run: Execution, world: World) -> None:
    rows = world.ledger(run.name).rows
    for state in ("StartLoad", "WaitForLoad", "CheckLoad"):
        assert world.facts(run, state) == (f"{rows['read'] - rows['quarantined']:,} clean rows", "Glue job SUCCEEDED")


def test_the_ledger_is_the_truth(run: Execution, world: World, truth: dict) -> None:
    books = world.ledger(run.name)
    assert books.rows == truth["rows"]
    assert books.quarantined_by_rule == truth["quarantined_by_rule"]
    assert books.customers == truth["customers"]
    assert {column: books.sums[column] for column in truth["sums"]} == truth["sums"]
    assert (books.matched, books.unmatched) == (truth["matched"], truth["unmatched"])


def test_the_law_holds_between_ledger_and_tables(run: Execution, world: World) -> None:
    with world.stack.warehouse.connect() as connection:
        assert ledger.faults(connection, run.name, world.ledger(run.name)) == []


def test_the_rows_are_in_the_table(run: Execution, world: World, truth: dict) -> None:
    count, amount, matched = world.query("SELECT count(*), sum(amount), count(*) FILTER (WHERE customer_matched) FROM analytics.customer_transactions")[0]
    assert (count, str(amount), matched) == (truth["rows"]["loaded"], truth["sums"]["amount"]["loaded"], truth["matched"])
    keys = world.query("SELECT count(DISTINCT transaction_id) FROM analytics.customer_transactions")[0][0]
    assert keys == count
    lineage = world.query("SELECT DISTINCT _run_id, _loaded_at IS NULL FROM analytics.customer_transactions")
    assert lineage == [(run.name, False)]


def test_values_are_cleaned(run: Execution, world: World) -> None:
    dirty = "SELECT count(*) FROM analytics.customer_transactions WHERE email <> lower(email) OR currency <> upper(trim(currency)) OR country <> upper(country)"
    assert world.query(dirty) == [(0,)]
    foreign = {name for (name,) in world.query("SELECT first_name FROM analytics.customer_transactions WHERE first_name ~ '[^ -~]'")}
    with Inputs().customers.open(encoding="utf-8", newline="") as file:
        names = {row["first_name"].strip() for row in csv.DictReader(file)}
    assert foreign and foreign <= names


def test_each_quarantined_record_lies_where_its_offset_says(run: Execution, world: World) -> None:
    source = Inputs().transactions.read_bytes()
    rows = world.query("SELECT source_offset, record, rule FROM crosstally.quarantine WHERE run_id = %s AND source = 'transactions'", run.name)
    assert rows
    for offset, record, _rule in rows:
        assert source[offset : offset + len(record.encode())] == record.encode()


def test_no_staging_is_left(run: Execution, world: World) -> None:
    assert world.query("SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'staging%'") == []


def test_the_same_files_in_another_run_change_no_row(run: Execution, world: World) -> None:
    second = world.run()
    assert (second.status, second.error) == ("SUCCEEDED", None)
    row = world.ledger(second.name).row
    assert (row["rows_inserted"], row["rows_updated"]) == (0, 0)
    assert row["rows_unchanged"] == row["rows_loaded"] == world.ledger(run.name).row["rows_loaded"]
    with world.stack.warehouse.connect() as connection:
        assert ledger.faults(connection, second.name, world.ledger(second.name)) == []


def test_a_newer_version_of_the_source_wins(run: Execution, world: World) -> None:
    """One row changed, one came new, one repeats what is there; the other rows of the table are not in the blob and stay."""
    same, changed = _loaded_once(world)[:2]
    changed = changed | {"status": "refunded", "amount": "0.01"}
    new = same | {"transaction_id": "T-new"}
    before = world.query("SELECT count(*) FROM analytics.customer_transactions")[0][0]
    world.put_blob(json.dumps([same, changed, new]).encode())

    ended = world.run()

    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    row = world.ledger(ended.name).row
    assert [row[f"rows_{fate}"] for fate in ("read", "inserted", "updated", "unchanged", "superseded")] == [3, 1, 1, 1, 0]
    assert world.query("SELECT count(*) FROM analytics.customer_transactions")[0][0] == before + 1
    found = world.query("SELECT status, amount::text FROM analytics.customer_transactions WHERE transaction_id = %s", changed["transaction_id"])
    assert found == [("refunded", "0.01")]
    with world.stack.warehouse.connect() as connection:
        assert ledger.faults(connection, ended.name, world.ledger(ended.name)) == []


def test_ndjson_gives_the_same_books(world: World, truth: dict, tmp_path: Path) -> None:
    records = json.loads(Inputs().transactions.read_text())
    lines = tmp_path / "transactions.json"
    lines.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    world.seed(Inputs(transactions=lines))
    ended = world.run()
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    assert world.ledger(ended.name).rows == truth["rows"]
    assert world.ledger(ended.name).quarantined_by_rule == truth["quarantined_by_rule"]


def test_a_changed_contract_takes_effect_without_a_deploy(world: World, tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[3] / "contract.odcs.yaml").read_text()
    contract = tmp_path / "contract.yaml"
    table = f"other_{uuid.uuid4().hex[:8]}"
    contract.write_text(text.replace("physicalName: analytics.customer_transactions", f"physicalName: analytics.{table}"))
    assert contract.read_text() != text
    world.seed(Inputs(contract=contract))
    ended = world.run()
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    assert world.query(f"SELECT count(*) FROM analytics.{table}")[0][0] == world.ledger(ended.name).rows["loaded"]
    with world.stack.warehouse.connect() as connection:
        connection.execute(f"DROP TABLE analytics.{table}")


def _loaded_once(world: World) -> list[dict]:
    """Records that are in the table and whose key comes once in the source."""
    records = json.loads(Inputs().transactions.read_text())
    times = Counter(record.get("transaction_id") for record in records)
    in_table = {key for (key,) in world.query("SELECT transaction_id FROM analytics.customer_transactions")}
    return [record for record in records if record.get("transaction_id") in in_table and times[record["transaction_id"]] == 1]
