"""A record is read out of its raw object: its end is found, little else is read, and another object is told."""

import io
import re

import pytest
from botocore.exceptions import ClientError
from laptop import raw_record
from laptop.failure import Failure


@pytest.mark.parametrize(
    ("record", "rest"),
    [
        (b"{}", b""),
        (b"{}", b"}"),
        (b'{"a":1}', b',{"a":2}]'),
        (b'{"a":{"b":{}}}', b"\n{}"),
        (b'{"a":"}"}', b"\r\n"),
        (b'{"{":"\\"}"}', b"}"),
        (b'{"a":"\\\\"}', b'"}'),
        (b'{"a":"\\\\\\"}"}', b"}"),
        (b'{"a":"\\u007d"}', b"}"),
        (b'{"a":["]",{"b":"["}]}', b"]}"),
        (b'{\n  "a" : "line\\nbreak" ,\n  "b" : null\n}', b"\n]"),
        ('{"é":"日本 }"}'.encode(), b"}"),
        (b'{"a":"\xff}"}', b"}"),
        (b'{"a":"' + b"\\\\" * 100_000 + b'"}', b"}"),
    ],
)
def test_the_end_of_a_record(record: bytes, rest: bytes) -> None:
    assert raw_record.end_of(record + rest) == len(record)
    # Cut off anywhere, it has no end.
    for length in {*range(min(len(record), 50)), len(record) - 1}:
        assert raw_record.end_of(record[:length]) is None


class Objects:
    """As much of an S3 client as reading takes, around one object; it notes what was asked for."""

    def __init__(self, content: bytes) -> None:
        self.content, self.ranges = content, []

    def get_object(self, Bucket: str, Key: str, Range: str) -> dict:  # noqa: N803
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", Range).groups())
        self.ranges.append((first, last))
        if first >= len(self.content):
            raise ClientError({"Error": {"Code": "InvalidRange"}}, "GetObject")
        return {"Body": io.BytesIO(self.content[first : last + 1])}


@pytest.mark.parametrize("length", [2, 65_535, 65_536, 65_537, 131_072, 131_073, 1_000_000, 16 * 1024 * 1024])
@pytest.mark.parametrize("behind", [b"", b",{}]"])
def test_a_record_is_read_whole_and_little_else(length: int, behind: bytes) -> None:
    record = b"{" + b'"":""'.ljust(length - 2) + b"}" if length > 6 else b"{}"
    objects = Objects(b"[ " + record + behind)
    assert raw_record.read(objects, "bucket", "key", 2) == record
    # One after the other, and in all no more than twice its length, or the first look.
    assert [first for first, _ in objects.ranges] == [2, *(last + 1 for _, last in objects.ranges[:-1])]
    assert objects.ranges[-1][1] - 1 <= max(2 * length, 65_536)


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"a":"', b"{" * 100_000, b"{" + b" " * 17 * 1024 * 1024 + b"}"])
def test_another_object_than_the_row_came_from_is_told(content: bytes) -> None:
    with pytest.raises(Failure, match=r"byte 0 of s3://bucket/key.* this is not the object that the row was read from"):
        raw_record.read(Objects(content), "bucket", "key", 0)
