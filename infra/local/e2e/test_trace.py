"""From a row of the table back to its bytes in the source, whatever surrounds them there."""

import json
import re
from dataclasses import dataclass

import pytest
from laptop import trace
from laptop.execution import Execution
from laptop.failure import Failure
from laptop.inputs import Inputs
from world import World

RECORDS = 1200
SPLIT_BYTES = 100_000
LONG = "T-LONG"
REJECTED = "T-REJECTED"
# What looks like an end and is none.
TRAPS = {"note": 'a "quoted" } and ] and \\ and \\" and {[,\n é 日本', "nested": [{"a": {}}, [], {"}": "{"}], "empty": ""}


@dataclass
class Loaded:
    world: World
    source: bytes
    records: dict[str, bytes]
    run: Execution
    splits: int

    def trace(self, key: str) -> int:
        return trace.main(self.world.stack.client, self.world.session.deployment.stack, key)


@pytest.fixture(scope="module", params=["array", "ndjson", "splits"])
def loaded(world: World, request: pytest.FixtureRequest) -> Loaded:
    model = json.loads(Inputs().transactions.read_text())[0]
    records = {}
    for number in range(RECORDS):
        identity = LONG if number == RECORDS // 2 else REJECTED if number == 7 else f"T-{number:05}"
        record = {**model, "transaction_id": identity, **TRAPS, "amount": "much" if identity == REJECTED else "12.50"}
        if identity == LONG:
            record["note"] = TRAPS["note"] * 5000
        records[identity] = json.dumps(record, indent=None if request.param == "ndjson" else 2, ensure_ascii=number % 2 == 0).encode()
    between = b"\r\n" if request.param == "ndjson" else b" ,\n\n "
    source = between.join(records.values())
    source = source + b"\n" if request.param == "ndjson" else b"\xef\xbb\xbf [\n" + source + b"\n] \n"

    world.empty_warehouse()
    world.seed()
    world.configure(**({"SPLIT_BYTES": str(SPLIT_BYTES)} if request.param == "splits" else {}))
    world.put_blob(source)
    ended = world.run()
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    return Loaded(world, source, records, ended, len(world.read(f"runs/{ended.name}/splits.json")))


def test_a_row_leads_back_to_its_very_bytes(loaded: Loaded, request: pytest.FixtureRequest, capsysbinary: pytest.CaptureFixture) -> None:
    assert (loaded.splits > 5) == ("splits" in request.node.name)
    rows = loaded.world.query("SELECT transaction_id, _source_offset FROM analytics.customer_transactions ORDER BY _source_offset")
    assert len(rows) == RECORDS - 1
    chosen = [*rows[:2], *rows[:: RECORDS // 7], rows[-1], *(row for row in rows if row[0] == LONG)]
    for key, offset in chosen:
        assert loaded.trace(key) == 0
        said = capsysbinary.readouterr()
        assert said.out == loaded.records[key] == loaded.source[offset : offset + len(said.out)]
        labels = said.err.decode()
        for name, value in [
            ("run", loaded.run.name),
            ("contract", r"\d+\.\d+\.\d+"),
            ("committed", r"20\d\d-\d\d-\d\d "),
            ("source", "http://.*/transactions.json"),
            ("raw object", f"s3://{loaded.world.session.deployment.bucket}/raw/transactions/.*/transactions.json"),
            ("offset", f"{offset:,}"),
            ("length", f"{len(said.out):,}"),
            ("transaction_id", key),
            ("amount", "12.50"),
        ]:
            assert re.search(rf"^  {name} +{value}", labels, re.MULTILINE), (name, labels)


def test_the_children_of_the_map_count_as_transitions(loaded: Loaded) -> None:
    assert loaded.run.transitions == sum(state.visits for state in loaded.run.states.values()) + loaded.splits


def test_a_key_without_a_row_is_told(loaded: Loaded, capsysbinary: pytest.CaptureFixture) -> None:
    with pytest.raises(Failure, match="RowMissing: analytics.customer_transactions has no row with transaction_id T-NOWHERE") as failure:
        loaded.trace("T-NOWHERE")
    assert "quarantine" not in str(failure.value)
    assert capsysbinary.readouterr() == (b"", b"")


def test_a_quarantined_key_is_shown_where_it_lies(loaded: Loaded, capsysbinary: pytest.CaptureFixture) -> None:
    with pytest.raises(Failure, match="RowMissing"):
        loaded.trace(REJECTED)
    said = capsysbinary.readouterr()
    offset = loaded.source.index(loaded.records[REJECTED])
    assert said.out == b""
    assert re.search(rf"^  {loaded.run.name} +transactions, offset {offset:,} +amount\.type$", said.err.decode(), re.MULTILINE), said.err


def test_what_has_expired_is_told(loaded: Loaded) -> None:
    s3, bucket = loaded.world.stack.client("s3"), loaded.world.session.deployment.bucket
    manifest = f"runs/{loaded.run.name}/manifest.json"
    content = s3.get_object(Bucket=bucket, Key=manifest)["Body"].read()
    raw = json.loads(content)["transactions"]["raw_key"]
    for key, name, says in [(raw, "RawExpired", "The record began at byte "), (manifest, "RunExpired", f"where the run {loaded.run.name} read")]:
        kept = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        s3.delete_object(Bucket=bucket, Key=key)
        with pytest.raises(Failure, match=f"{name}: s3://{bucket}/{key} is not there any more.*{says}"):
            loaded.trace(LONG)
        loaded.world.put_object(key, kept)
    assert loaded.trace(LONG) == 0


def test_a_stack_that_does_not_exist_is_told(world: World) -> None:
    with pytest.raises(Failure, match="StackUnavailable: the stack no-such-stack cannot be read: "):
        trace.main(world.stack.client, "no-such-stack", "T-1")
