"""A run's quarantined records are taken up again, under the contract and with the customers of now."""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from laptop import ledger, seed
from laptop.execution import Execution
from laptop.inputs import Inputs
from world import World

CONTRACT = (Path(__file__).resolve().parents[3] / "contract.odcs.yaml").read_text()
# What a person might mend after a look at the quarantine: refunds come as negative amounts.
MENDED = CONTRACT.replace("        logicalTypeOptions: {minimum: 0}\n", "")
ROWS = "SELECT transaction_id, amount, _source_uri, _source_offset, _run_id FROM analytics.customer_transactions"


@pytest.fixture(params=["array", "ndjson"])
def quarantined(world: World, request: pytest.FixtureRequest, tmp_path: Path) -> tuple[World, Execution, bytes]:
    """A loaded run, and the bytes of its source."""
    world.empty_warehouse()
    world.seed()
    content = Inputs().transactions.read_bytes()
    if request.param == "ndjson":
        content = b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in json.loads(content))
        world.put_blob(content)
    world.configure(SPLIT_BYTES="65536")
    loaded = world.run()
    assert (loaded.status, loaded.error) == ("SUCCEEDED", None)
    return world, loaded, content


def test_mended_records_arrive_and_both_books_balance(quarantined: tuple[World, Execution, bytes]) -> None:
    world, loaded, content = quarantined
    origin = world.ledger(loaded.name)
    negative = origin.quarantined_by_rule["amount.minimum"]
    assert MENDED != CONTRACT and negative > 0
    before = {key: rest for key, *rest in world.query(ROWS)}
    world.put_object(seed.CONTRACT_KEY, MENDED.encode())

    replayed = world.run(replay=loaded.name)

    assert (replayed.status, replayed.error) == ("SUCCEEDED", None)
    books = world.ledger(replayed.name)
    assert books.row["replay_of"] == loaded.name
    assert books.rows["read"] == origin.rows["quarantined"]
    mended = books.rows["loaded"] + books.rows["superseded"]
    assert 0 < mended == origin.rows["quarantined"] - books.rows["quarantined"]
    # Some break a rule of a later column as well, which nobody had come to.
    still_bad = Counter(books.quarantined_by_rule) - Counter(origin.quarantined_by_rule)
    assert "amount.minimum" not in books.quarantined_by_rule
    assert mended + still_bad.total() == negative
    # The replay's rows are of the same version of the source, and lie where they always lay in it.
    assert books.row["source_version"] == origin.row["source_version"]
    assert books.row["source_modified_at"] == origin.row["source_modified_at"]
    new = {key: rest for key, *rest in world.query(ROWS) if rest[-1] == replayed.name}
    assert len(new) == books.rows["loaded"] > 0
    for key, (amount, _uri, offset, _run) in new.items():
        record, _ = json.JSONDecoder().raw_decode(content[offset:].decode())
        assert (record["transaction_id"].strip(), Decimal(str(record["amount"]).strip())) == (key, amount)
        assert amount < 0
    kept = {key: rest for key, *rest in world.query(ROWS) if rest[-1] != replayed.name}
    assert kept == {key: rest for key, rest in before.items() if key not in new}
    with world.stack.warehouse.connect() as connection:
        assert ledger.faults(connection, replayed.name, books) == []
    # The original's books stand as they were.
    assert world.ledger(loaded.name).row == origin.row

    again = world.run(replay=loaded.name)
    assert (again.status, world.ledger(again.name).row["rows_inserted"], world.ledger(again.name).row["rows_updated"]) == ("SUCCEEDED", 0, 0)


def test_what_is_still_bad_is_quarantined_where_it_lies(quarantined: tuple[World, Execution, bytes]) -> None:
    """All of it breaks its rules again, which no gate minds; a replay of the replay finds the same records."""
    world, loaded, content = quarantined
    where = "SELECT source_offset, rule, column_name, record FROM crosstally.quarantine WHERE source = 'transactions' AND run_id = %s"
    first = Counter(world.query(where, loaded.name))
    before = world.query(f"{ROWS} ORDER BY 1")
    origin = loaded
    for _ in range(2):
        replayed = world.run(replay=origin.name)
        assert (replayed.status, replayed.error) == ("SUCCEEDED", None)
        assert Counter(world.query(where, replayed.name)) == first
        assert world.ledger(replayed.name).rows == {"read": sum(first.values()), "loaded": 0, "superseded": 0, "quarantined": sum(first.values())}
        origin = replayed
    assert world.query(f"{ROWS} ORDER BY 1") == before
    for offset, _rule, _column, record in first:
        assert content[offset : offset + len(record.encode())] == record.encode()


def test_a_replay_does_not_overwrite_what_came_later(quarantined: tuple[World, Execution, bytes]) -> None:
    """A newer source has the record's key in the meantime: the replayed one is superseded."""
    world, loaded, content = quarantined
    where = "SELECT record FROM crosstally.quarantine WHERE run_id = %s AND rule = 'minimum' AND column_name = 'amount' LIMIT 1"
    bad = json.loads(world.query(where, loaded.name)[0][0])
    world.put_blob(json.dumps([bad | {"amount": "7.77"}]).encode())
    assert world.run().status == "SUCCEEDED"
    world.put_object(seed.CONTRACT_KEY, MENDED.encode())

    replayed = world.run(replay=loaded.name)

    assert (replayed.status, replayed.error) == ("SUCCEEDED", None)
    assert world.ledger(replayed.name).rows["superseded"] >= 1
    key = bad["transaction_id"].strip()
    assert world.query("SELECT amount::text FROM analytics.customer_transactions WHERE transaction_id = %s", key) == [("7.77",)]


@pytest.mark.parametrize(
    ("given", "name", "fragment"),
    [
        ({"replay": "no-such-run"}, "ReplayMissing", "no-such-run"),
        ({"replay": "a/../b"}, "InputInvalid", "a/../b"),
        ({"plan": "yes"}, "InputInvalid", "plan"),
        ({"Replay": "x"}, "InputInvalid", "Replay"),
    ],
)
def test_an_input_that_makes_no_sense_is_refused(world: World, given: dict, name: str, fragment: str) -> None:
    world.seed()
    ended = world.run(**given)
    assert ended.status == "FAILED"
    assert ended.error["name"] == name, ended.error
    assert fragment in ended.error["message"]
