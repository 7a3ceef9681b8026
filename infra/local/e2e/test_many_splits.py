"""A file cut into many splits gives what it gives in one piece, and fails as one when a single split does."""

import json
import re
import uuid
from pathlib import Path

import pytest
from laptop import ledger
from laptop.execution import Execution
from laptop.inputs import Inputs
from laptop.ledger import Ledger
from world import World

# So many bytes of a file of 10,000 records that it takes more than ten.
SPLIT_BYTES = 150_000
AT_LEAST = 8

TARGET = "analytics.customer_transactions"
LINEAGE = {"_run_id", "_source_uri", "_source_offset", "_loaded_at"}


@pytest.fixture(scope="module", params=["array", "ndjson"])
def transactions(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The samples in both forms of JSON."""
    if request.param == "array":
        return Inputs().transactions
    lines = tmp_path_factory.mktemp("ndjson") / "transactions.json"
    records = json.loads(Inputs().transactions.read_text())
    lines.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    return lines


def test_many_splits_load_what_one_loads(world: World, transactions: Path) -> None:
    whole = load(world, transactions)
    assert parts(world, whole) == [0]
    expected = books(world.ledger(whole.name)), rows(world), quarantine(world, whole)

    ended = load(world, transactions, SPLIT_BYTES=str(SPLIT_BYTES))

    done = parts(world, ended)
    assert len(done) >= AT_LEAST and done == list(range(len(done)))
    assert [item["split"] for item in world.read(f"runs/{ended.name}/splits.json")] == done
    assert (books(world.ledger(ended.name)), rows(world), quarantine(world, ended)) == expected
    with world.stack.warehouse.connect() as connection:
        assert ledger.faults(connection, ended.name, world.ledger(ended.name)) == []


def test_one_failed_split_of_many_fails_the_run(world: World) -> None:
    """Half a literal: the record still begins and ends where it did, so only the split that parses it can tell."""
    load(world, Inputs().transactions)
    before = world.tables()
    source = Inputs().transactions.read_bytes()
    at = source.index(b'"currency":"', len(source) * 2 // 3) + len(b'"currency":')
    end = source.index(b'"', at + 1) + 1
    world.configure(SPLIT_BYTES=str(SPLIT_BYTES))
    world.put_blob(source[:at] + b"tru".ljust(end - at) + source[end:])

    ended = world.run()

    assert ended.status == "FAILED"
    assert ended.error["name"] == "SourceMalformed"
    byte = re.search(r"byte (\d+)", ended.error["message"])
    assert byte and at <= int(byte[1]) <= end, ended.error
    (failed,) = numbers(world, ended, "failures")
    assert failed > 0
    assert len(parts(world, ended)) >= AT_LEAST - 1 and failed not in parts(world, ended)
    assert world.ledger(ended.name) is None
    assert world.tables() == before


def test_another_split_size_cuts_the_same_version_anew(world: World) -> None:
    """What the report of a split that ran out of time advises would otherwise have no effect until the blob changes."""
    world.seed()
    whole = world.steps.fetch(f"cut-{uuid.uuid4().hex[:8]}")
    world.configure(SPLIT_BYTES=str(SPLIT_BYTES))
    cut = world.steps.fetch(f"cut-{uuid.uuid4().hex[:8]}")
    assert whole["splits"] == 1 and cut["splits"] >= AT_LEAST
    manifests = [world.read(answer["raw_manifest"]) for answer in (whole, cut)]
    for same in ("version", "raw_key", "sha256", "bytes", "records"):
        assert manifests[0][same] == manifests[1][same]


def load(world: World, transactions: Path, **variables: str) -> Execution:
    world.empty_warehouse()
    world.seed(Inputs(transactions=transactions))
    world.configure(**variables)
    ended = world.run()
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    return ended


def parts(world: World, run: Execution) -> list[int]:
    """The splits that are done; each has a file of clean rows."""
    done = numbers(world, run, "parts")
    assert numbers(world, run, "clean") == done
    return done


def numbers(world: World, run: Execution, folder: str) -> list[int]:
    listed = world.stack.client("s3").list_objects_v2(Bucket=world.session.deployment.bucket, Prefix=f"runs/{run.name}/{folder}/part-")
    return sorted(int(Path(entry["Key"]).stem.removeprefix("part-")) for entry in listed.get("Contents", []))


def books(found: Ledger) -> tuple:
    kinds = ("inserted", "updated", "unchanged", "written")
    return found.rows, [found.row[f"rows_{kind}"] for kind in kinds], found.sums, found.quarantined_by_rule, found.customers, found.matched, found.unmatched


def rows(world: World) -> list[tuple]:
    """The whole table, with each row's place in the source, and without what differs between two runs."""
    schema, table = TARGET.split(".")
    query = "SELECT column_name FROM information_schema.columns WHERE (table_schema, table_name) = (%s, %s) ORDER BY ordinal_position"
    columns = [name for (name,) in world.query(query, schema, table) if name not in LINEAGE] + ["_source_offset"]
    return world.query(f"SELECT {', '.join(columns)} FROM {TARGET} ORDER BY transaction_id")


def quarantine(world: World, run: Execution) -> list[tuple]:
    query = "SELECT source, source_offset, rule, column_name, record FROM crosstally.quarantine WHERE run_id = %s ORDER BY 1, 2, 3, 4"
    return world.query(query, run.name)
