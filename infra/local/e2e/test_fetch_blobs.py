"""Which blobs a run reads: one, those of a prefix, those of a day; as arrays, as NDJSON, compressed or not. They load what one file of them all loads."""

import gzip
import hashlib
import json

import expected
import pytest
from faults.steps import StepFailed
from fetching import MIB, Fetching, gzipped, records
from laptop import ledger, seed
from laptop.execution import Execution
from laptop.inputs import Inputs
from laptop.paths import ROOT

NIGHT = "nights/2026-11-21/"
SPLIT_BYTES = 150_000


def lines(texts: list[str]) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


def array(texts: list[str]) -> bytes:
    return f"[{', '.join(texts)}]\n".encode()


@pytest.fixture
def night(fetching: Fetching) -> dict[str, bytes]:
    """The sample's transactions in four blobs, in order: what each is stored as."""
    # As they are written, since a float does not hold every amount: the sample has one record a line.
    all_of_them = [line.rstrip(",") for line in Inputs().transactions.read_text().splitlines() if line.startswith("{")]
    quarter = len(all_of_them) // 4
    parts = [all_of_them[at * quarter : (at + 1) * quarter if at < 3 else None] for at in range(4)]
    stored = {"1.json": array(parts[0]), "2.ndjson": lines(parts[1]), "3.json.gz": gzipped(lines(parts[2])), "4.json": array(parts[3])}
    for name in reversed(stored):  # not in the order of their names
        fetching.put(stored[name], NIGHT + name)
    fetching.put(b"", "nights/2026-11-21", hdi_isfolder="true")  # what Data Lake Storage leaves for a folder
    fetching.put(b"", f"{NIGHT}2.d", hdi_isfolder="true")
    fetching.put(b"not for this night", "nights/2026-11-20/1.json")
    return stored


def test_the_blobs_of_a_night_load_what_one_file_of_them_loads(fetching: Fetching, night: dict[str, bytes]) -> None:
    world, truth = fetching.world, expected.of_files(Inputs().customers, Inputs().transactions)
    world.empty_warehouse()
    fetching.configure(AZURE_BLOB=NIGHT, SPLIT_BYTES=str(SPLIT_BYTES))

    ended = world.run()

    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    books = world.ledger(ended.name)
    assert (books.rows, books.quarantined_by_rule) == (truth["rows"], truth["quarantined_by_rule"])
    assert {column: books.sums[column] for column in truth["sums"]} == truth["sums"]
    assert (books.matched, books.unmatched) == (truth["matched"], truth["unmatched"])
    with world.stack.warehouse.connect() as connection:
        assert ledger.faults(connection, ended.name, books) == []

    # Each quarantined record lies where its offset says, in the copy that is read.
    answer = fetching.fetch(ended.name)  # a second call for a run tells what the first one pinned
    raw = fetching.raw(answer)
    rows = world.query("SELECT source_offset, record FROM crosstally.quarantine WHERE run_id = %s AND source = 'transactions'", ended.name)
    assert len(rows) == truth["rows"]["quarantined"]
    for offset, record in rows:
        assert raw[offset : offset + len(record.encode())] == record.encode()


def test_a_night_is_one_object_of_its_blobs_in_order(fetching: Fetching, night: dict[str, bytes]) -> None:
    fetching.configure(AZURE_BLOB=f"{NIGHT}*", SPLIT_BYTES=str(SPLIT_BYTES))
    manifest = fetching.manifest(answer := fetching.fetch())

    assert fetching.raw(answer, "original_key") == b"".join(night.values())
    read = [*night.values()]
    read[2] = gzip.decompress(read[2])
    assert fetching.raw(answer) == b"".join(read)

    assert [blob["uri"].rsplit("/", 1)[-1] for blob in manifest["blobs"]] == list(night)
    assert [blob["md5"] for blob in manifest["blobs"]] == [hashlib.md5(content, usedforsecurity=False).hexdigest() for content in night.values()]
    assert [blob["end"] - blob["start"] for blob in manifest["blobs"]] == [len(content) for content in read]
    starts = [blob["start"] for blob in manifest["blobs"]]
    assert starts == [sum(map(len, read[:at])) for at in range(4)]
    assert [blob["format"] for blob in manifest["blobs"]] == ["array", "ndjson", "ndjson", "array"]
    assert manifest["uri"].endswith(f"/{seed.CONTAINER}/{NIGHT}")
    assert manifest["records"] == len(json.loads(Inputs().transactions.read_text()))
    # No split has records of two blobs.
    ends = [*starts[1:], len(b"".join(read))]
    for split in manifest["splits"]:
        assert any(start <= split["start"] and split["end"] <= end for start, end in zip(starts, ends, strict=True)), split
    assert len(manifest["splits"]) > 4

    assert fetching.fetch() | {"run_id": ""} | {"splits_key": ""} == answer | {"run_id": ""} | {
        "splits_key": ""
    }  # another run of the same blobs copies nothing


def test_one_blob_that_comes_late_makes_another_version(fetching: Fetching, night: dict[str, bytes]) -> None:
    fetching.configure(AZURE_BLOB=NIGHT)
    first = fetching.manifest(fetching.fetch())
    fetching.put(lines(['{"transaction_id": "late"}']), f"{NIGHT}5.json")
    second = fetching.manifest(fetching.fetch())
    assert (len(first["blobs"]), len(second["blobs"])) == (4, 5)
    assert first["version"] != second["version"] and first["raw_key"] != second["raw_key"]


def test_a_blob_of_many_that_is_no_json_is_named(fetching: Fetching, night: dict[str, bytes]) -> None:
    fetching.put(b"transaction_id;amount\n1;2.50\n", f"{NIGHT}3.a.json")
    fetching.configure(AZURE_BLOB=NIGHT)
    with fetching.nothing_is_left(), pytest.raises(StepFailed) as failed:
        fetching.fetch()
    assert failed.value.name == "SourceMalformed"
    assert f"{NIGHT}3.a.json" in failed.value.message


# A day


# AZURE_BLOB, SCHEDULE_TIMEZONE, what the execution is given, when it started, the blob it reads
DAYS = {
    "given": ("nights/{date}.json", "UTC", {"date": "2026-11-21"}, None, "nights/2026-11-21.json"),
    "in-a-form-of-its-own": ("nights/{date:%Y/%m/%d}.json", "UTC", {"date": "2026-11-21"}, None, "nights/2026/11/21.json"),
    "by-number-of-the-year": ("{date:%y}/t-{date:%j}.json", "UTC", {"date": "2024-12-31"}, None, "24/t-366.json"),
    "a-prefix": ("nights/{date:%Y%m%d}/", "UTC", {"date": "2026-11-21"}, None, "nights/20261121/t.json"),
    "of-the-schedule-in-the-east": ("{date}.json", "Asia/Tokyo", {"scheduledAt": "2026-03-10T15:30:00Z"}, None, "2026-03-11.json"),
    "of-the-schedule-in-the-west": ("{date}.json", "America/New_York", {"scheduledAt": "2026-03-10T03:30:00Z"}, None, "2026-03-09.json"),
    # An hour before midnight by the winter's clock, which ends in this night: 22:30 UTC is 23:30, and a day later it is 00:30.
    "before-summer-time": ("{date}.json", "Europe/Berlin", {"scheduledAt": "2026-03-28T22:30:00Z"}, None, "2026-03-28.json"),
    "in-summer-time": ("{date}.json", "Europe/Berlin", {"scheduledAt": "2026-03-29T22:30:00Z"}, None, "2026-03-30.json"),
    "of-a-start-by-hand": ("{date}.json", "Pacific/Auckland", {}, "2026-11-21T11:30:00.123Z", "2026-11-22.json"),
    "given-beats-the-schedule": ("{date}.json", "UTC", {"date": "2026-01-02", "scheduledAt": "2026-03-10T15:30:00Z"}, None, "2026-01-02.json"),
}


@pytest.mark.parametrize("case", DAYS)
def test_a_day_names_the_blob(fetching: Fetching, case: str) -> None:
    template, zone, given, started_at, name = DAYS[case]
    content = fetching.put(records(1), name)
    fetching.configure(AZURE_BLOB=template, SCHEDULE_TIMEZONE=zone)
    answer = fetching.fetch(started_at=started_at, **given)
    assert fetching.raw(answer) == content


def test_a_day_without_a_blob_is_missing(fetching: Fetching) -> None:
    fetching.configure(AZURE_BLOB="nights/{date}.json")
    with fetching.nothing_is_left(), pytest.raises(StepFailed) as failed:
        fetching.fetch(date="2026-11-21")
    assert (failed.value.name, "nights/2026-11-21.json" in failed.value.message) == ("SourceMissing", True), failed.value


# Nothing there, nothing new


def test_a_prefix_without_blobs_is_missing_unless_that_is_allowed(fetching: Fetching) -> None:
    world = fetching.world
    before = world.tables()
    fetching.configure(AZURE_BLOB="nights/2026-11-19/")

    ended = world.run()
    assert (ended.status, ended.error["name"]) == ("FAILED", "SourceMissing"), ended.error
    assert "nights/2026-11-19/" in ended.error["message"]

    for allowed in (world.run(allowEmpty=True), _by_default(fetching, "ALLOW_EMPTY", AZURE_BLOB="nights/2026-11-19/")):
        assert (allowed.status, allowed.error) == ("SUCCEEDED", None)
        output = json.loads(allowed.output)
        assert (output["run_id"], output["outcome"]) == (allowed.name, "empty")
        assert list(allowed.states)[-1] == "NothingToLoad" and not {"MergeAndClean", "StartLoad"} & set(allowed.states)

    refused = world.run(allowEmpty=False)
    assert refused.status == "FAILED"
    assert world.tables() == before


def test_an_unchanged_source_ends_the_run_at_once(fetching: Fetching) -> None:
    world = fetching.world
    fetching.configure()
    loaded = world.run()
    assert (loaded.status, loaded.error) == ("SUCCEEDED", None)
    before = world.tables()

    for skipped in (world.run(skipUnchanged=True), _by_default(fetching, "SKIP_UNCHANGED")):
        assert (skipped.status, skipped.error) == ("SUCCEEDED", None)
        output = json.loads(skipped.output)
        assert (output["run_id"], output["outcome"], output["since_run"]) == (skipped.name, "unchanged", loaded.name)
        assert list(skipped.states)[-1] == "NothingToLoad" and not {"MergeAndClean", "StartLoad"} & set(skipped.states)
    assert world.tables() == before

    # Not asked to skip, it loads; and so it does when anything of what it works on is another: the blob, the customers, the contract.
    assert _loads(fetching, world.run(skipUnchanged=False))
    fetching.put(Inputs().transactions.read_bytes())
    assert _loads(fetching, world.run(skipUnchanged=True))
    world.stack.client("s3").put_object(Bucket=seed.CUSTOMERS_BUCKET, Key=seed.CUSTOMERS_KEY, Body=Inputs().customers.read_bytes() + b"\n")
    assert _loads(fetching, world.run(skipUnchanged=True))
    world.put_object(seed.CONTRACT_KEY, (ROOT / "contract.odcs.yaml").read_bytes() + b"\n# changed\n")
    assert _loads(fetching, world.run(skipUnchanged=True))


def test_a_run_that_failed_does_not_count_as_the_last(fetching: Fetching) -> None:
    world = fetching.world
    fetching.configure()
    fetching.put(b'{"amount": -1}\n' * 9)  # the quality gate stops it behind the fetch
    for _ in range(2):
        ended = world.run(skipUnchanged=True)
        assert (ended.status, ended.error["name"]) == ("FAILED", "QualityGateFailed"), ended.error


def _by_default(fetching: Fetching, variable: str, **variables: str) -> Execution:
    fetching.configure(**{variable: "true"}, **variables)
    ended = fetching.world.run()
    fetching.configure(**variables)
    return ended


def _loads(fetching: Fetching, ended: Execution) -> bool:
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    return fetching.world.ledger(ended.name) is not None


# Compressed

CONTENT = records(9, each=2000)
GZIPPED = gzipped(CONTENT)
IN_MEMBERS = gzipped(CONTENT[: 4 * MIB]) + gzipped(b"") + gzipped(CONTENT[4 * MIB :])


@pytest.mark.parametrize(
    ("name", "stored", "encoding"),
    [
        ("t.json.gz", GZIPPED, None),
        ("T.NDJSON.GZ", GZIPPED, None),
        ("t.json", GZIPPED, "gzip"),
        ("t-by-its-first-bytes.json", GZIPPED, None),
        ("t-in-members.json.gz", IN_MEMBERS, None),
        ("t-with-both.json.gz", GZIPPED, "gzip"),
    ],
)
def test_a_compressed_blob_is_kept_as_it_is_and_read_decoded(fetching: Fetching, name: str, stored: bytes, encoding: str | None) -> None:
    fetching.put(stored, name, encoding)
    fetching.configure(AZURE_BLOB=name)
    manifest = fetching.manifest(answer := fetching.fetch())
    assert fetching.raw(answer, "original_key") == stored
    assert fetching.raw(answer) == CONTENT
    assert manifest["records"] == CONTENT.count(b"\n")
    assert manifest["original_key"] != manifest["raw_key"]


def test_a_blob_that_is_only_called_gzip_is_refused(fetching: Fetching) -> None:
    fetching.put(CONTENT, "plain.json.gz")
    refused(fetching, "plain.json.gz")


DAMAGED = {
    "cut-off": GZIPPED[:-5_000],
    "a-wrong-sum": GZIPPED[:-8] + bytes(4) + GZIPPED[-4:],
    "junk-behind": GZIPPED + b"junk" * 9,
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_gzip_is_refused(fetching: Fetching, case: str) -> None:
    fetching.put(DAMAGED[case], "t.json.gz")
    refused(fetching, "t.json.gz")


def test_a_gzip_bomb_is_refused(fetching: Fetching) -> None:
    """A thousand times its size when it is decoded, and good JSON all the way."""
    bomb = gzipped(b'{"transaction_id": "t1"}\n' + b"\n" * (256 * MIB))
    assert len(bomb) < MIB
    fetching.put(bomb, "bomb.json.gz")
    refused(fetching, "bomb.json.gz")


def refused(fetching: Fetching, name: str) -> None:
    fetching.configure(AZURE_BLOB=name)
    with fetching.nothing_is_left(), pytest.raises(StepFailed) as failed:
        fetching.fetch()
    assert (failed.value.name, name in failed.value.message, "gzip" in failed.value.message) == ("SourceMalformed", True, True), failed.value
