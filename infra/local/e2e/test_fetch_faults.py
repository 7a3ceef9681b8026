"""Whatever breaks between the function and its two stores: either the bytes arrive as they are, or the error has its name and nothing is published."""

import base64
import hashlib
from dataclasses import dataclass, field

import pytest
from awscrt import checksums
from faults.http_rules import HttpRule, of_azure, of_s3, reading
from faults.steps import StepFailed
from fetching import ANY_PART, COMPLETE, CREATE, LARGE, MIB, PART, PUT, RANGE_BYTES, Fetching, records
from laptop import seed

STARTS = [0, RANGE_BYTES, 2 * RANGE_BYTES]  # of a blob of LARGE MiB
THROTTLED, BUSY = of_azure(429, "TooManyRequests"), of_azure(503, "ServerBusy")


def read_at(start: int) -> str:
    return reading(seed.BLOB, start)


@dataclass(frozen=True)
class Passing:
    """Faults that pass, and how often each range is asked for because of them."""

    rules: list[HttpRule]
    asked: list[int] = field(default_factory=lambda: [2, 2, 2])


AZURE = {
    "connections": Passing(
        [
            HttpRule(read_at(STARTS[0]), "reset", at=1_000_000),
            HttpRule(read_at(STARTS[1]), "cut", at=3 * MIB),
            HttpRule(read_at(STARTS[2]), "drop"),
        ]
    ),
    "bursts": Passing(
        [
            HttpRule(read_at(STARTS[0]), "answer", answer=THROTTLED, times=3),
            HttpRule(read_at(STARTS[1]), "answer", answer=BUSY, times=3),
            HttpRule(read_at(STARTS[2]), "answer", answer=of_azure(500, "InternalError")),
        ],
        [4, 4, 2],
    ),
    "gateways": Passing(
        [
            HttpRule(read_at(STARTS[0]), "answer", answer=of_azure(408, "RequestTimeout")),
            HttpRule(read_at(STARTS[1]), "answer", answer=of_azure(502, "BadGateway")),
            HttpRule(read_at(STARTS[2]), "answer", answer=of_azure(504, "GatewayTimeout")),
        ]
    ),
    "short-bodies": Passing(
        [
            # With a length that agrees with what came, which no client library minds.
            HttpRule(read_at(STARTS[0]), "shorten", at=8 * MIB - 1),
            HttpRule(read_at(STARTS[1]), "shorten", at=0),
            HttpRule(read_at(STARTS[2]), "drop", "after"),
        ]
    ),
    "properties": Passing([HttpRule(r"^HEAD ", "drop"), HttpRule(r"^HEAD ", "answer", answer=BUSY)], [1, 1, 1]),
}


@pytest.mark.parametrize("case", AZURE)
def test_each_range_is_tried_again_by_itself(fetching: Fetching, case: str) -> None:
    content = fetching.put(records(LARGE))
    fetching.azure.script(AZURE[case].rules)

    answer = fetching.fetch()

    assert fetching.azure.fired() == [rule.times for rule in AZURE[case].rules]
    assert fetching.raw(answer) == content
    assert [fetching.starts().count(start) for start in STARTS] == AZURE[case].asked
    etag = fetching.manifest(answer)["etag"]
    assert {exchange.headers["if-match"] for exchange in fetching.gets()} == {etag}


def test_a_store_that_says_how_long_is_left_alone_so_long(fetching: Fetching) -> None:
    content = fetching.put(records(1))
    fetching.azure.script([HttpRule(read_at(0), "answer", answer=of_azure(503, "ServerBusy", retry_after=3))])

    assert fetching.raw(fetching.fetch()) == content

    first, second = fetching.gets()
    assert second.began - first.began >= 3


def test_a_store_that_stays_away_is_unavailable(fetching: Fetching) -> None:
    fetching.put(records(1))
    fetching.azure.script([HttpRule(read_at(0), "answer", answer=of_azure(503, "ServerBusy", retry_after=0), times=None)])

    with fetching.nothing_is_left(), pytest.raises(StepFailed) as failed:
        fetching.fetch()

    assert (failed.value.name, seed.BLOB in failed.value.message) == ("SourceUnavailable", True), failed.value
    assert 2 <= len(fetching.gets()) <= 200  # there is a budget


@pytest.mark.parametrize("mib", [1, LARGE], ids=["one-put", "multipart"])
def test_a_wrong_bit_is_noticed_where_the_length_is_right(fetching: Fetching, mib: int) -> None:
    """Inside a text, so that the records are what they were to whoever looks for their ends."""
    content = records(mib)
    at = content.index(b'"note": "') + 1000
    fetching.put(content)
    fetching.azure.script([HttpRule(read_at(0), "flip", at=at)])

    with fetching.nothing_is_left(), pytest.raises(StepFailed) as failed:
        fetching.fetch()

    assert failed.value.name == "SourceCorrupt"
    assert hashlib.md5(content, usedforsecurity=False).hexdigest() in failed.value.message
    assert fetching.azure.fired() == [1]

    # It was the way and not the blob: the next run gets it.
    assert fetching.raw(fetching.fetch()) == content


def test_a_blob_that_is_replaced_between_two_ranges(fetching: Fetching) -> None:
    fetching.put(records(LARGE))
    fetching.azure.script([HttpRule(read_at(STARTS[2]), "hold", call=lambda: fetching.put(records(LARGE)))])

    with fetching.nothing_is_left(), pytest.raises(StepFailed) as failed:
        fetching.fetch()

    assert (failed.value.name, seed.BLOB in failed.value.message) == ("SourceChanged", True), failed.value
    assert fetching.azure.fired() == [1]


def test_a_blob_that_is_deleted_while_it_is_read(fetching: Fetching) -> None:
    fetching.put(records(LARGE))
    fetching.azure.script([HttpRule(read_at(STARTS[2]), "hold", call=lambda: fetching.container.delete_blob(seed.BLOB))])

    with fetching.nothing_is_left(), pytest.raises(StepFailed) as failed:
        fetching.fetch()

    # Azurite answers 412 to an If-Match on a blob that is not there.
    assert failed.value.name in ("SourceMissing", "SourceChanged") and seed.BLOB in failed.value.message, failed.value
    assert fetching.azure.fired() == [1]


S3 = {
    "slow-down": (
        LARGE,
        [HttpRule(CREATE, "answer", answer=of_s3(503, "SlowDown")), HttpRule(PART.format(2), "answer", answer=of_s3(503, "SlowDown"), times=2)],
    ),
    "lost-part": (LARGE, [HttpRule(PART.format(1), "drop"), HttpRule(PART.format(3), "drop", "after")]),
    "lost-reply-of-a-put": (1, [HttpRule(PUT, "drop", "after")]),
    "lost-reply-of-the-completion": (LARGE, [HttpRule(COMPLETE, "drop", "after")]),
    "failed-completion": (LARGE, [HttpRule(COMPLETE, "answer", answer=of_s3(500, "InternalError"))]),
    "completion-that-fails-after-its-200": (LARGE, [HttpRule(COMPLETE, "answer", answer=of_s3(200, "InternalError"))]),
}


@pytest.mark.parametrize("case", S3)
def test_what_fails_at_s3_once_is_tried_again(fetching: Fetching, case: str) -> None:
    mib, rules = S3[case]
    before = fetching.uploads()
    content = fetching.put(records(mib))
    fetching.s3.script(rules)

    answer = fetching.fetch()

    assert fetching.s3.fired() == [rule.times for rule in rules]
    assert fetching.raw(answer) == content
    assert fetching.uploads() == before
    assert fetching.starts() == STARTS[: 1 if mib == 1 else 3]  # S3's faults cost no reading


def test_a_completion_that_never_succeeds_publishes_nothing(fetching: Fetching) -> None:
    fetching.put(records(LARGE))
    fetching.s3.script([HttpRule(COMPLETE, "answer", answer=of_s3(500, "InternalError"), times=None)])

    with fetching.nothing_is_left_but_an_upload(), pytest.raises(StepFailed) as failed:
        fetching.fetch()

    assert failed.value.name == "StorageUnavailable"
    assert "raw/transactions/" in failed.value.message


def test_s3_checks_what_it_gets_and_keeps_the_sum(fetching: Fetching) -> None:
    """Each part goes with its CRC-64/NVME, and the object keeps one. S3 keeps that of the whole; the emulator (ministack 1.5.33) that of
    the parts' sums for an object of several parts, so that the sum of the whole is seen at an object of one PUT."""
    small = fetching.put(records(1))
    answer = fetching.fetch()
    assert attributes(fetching, answer) == {"ChecksumCRC64NVME": crc64_nvme(small), "ChecksumType": "FULL_OBJECT"}
    assert fetching.manifest(answer)["crc64nvme"] == crc64_nvme(small)

    large = fetching.put(records(LARGE))
    fetching.s3.script([])
    answer = fetching.fetch()

    assert fetching.manifest(answer)["crc64nvme"] == crc64_nvme(large)

    assert len(fetching.s3.exchanges(ANY_PART)) == 3
    assert all("x-amz-checksum-crc64nvme" in exchange.headers for exchange in fetching.s3.exchanges(ANY_PART))
    created = fetching.s3.exchanges(CREATE)[0].headers
    assert (created["x-amz-checksum-algorithm"], created["x-amz-checksum-type"]) == ("CRC64NVME", "FULL_OBJECT")
    assert attributes(fetching, answer)["ChecksumCRC64NVME"]


def attributes(fetching: Fetching, answer: dict) -> dict[str, str]:
    bucket, key = fetching.world.session.deployment.bucket, fetching.manifest(answer)["raw_key"]
    head = fetching.world.stack.client("s3").head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    return {name: head[name] for name in ("ChecksumCRC64NVME", "ChecksumType")}


def crc64_nvme(content: bytes) -> str:
    """As S3 writes it."""
    return base64.b64encode(checksums.crc64nvme(content).to_bytes(8, "big")).decode()


def test_the_sum_is_the_one_of_the_catalogue() -> None:
    """CRC-64/NVME in the catalogue of parametrised CRC algorithms (reveng)."""
    assert base64.b64decode(crc64_nvme(b"123456789")).hex() == "ae8b14860a799888"
