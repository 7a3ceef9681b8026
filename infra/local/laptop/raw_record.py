"""A record in its raw object: its bytes from the first to the last, as they stand there, however long it is and whatever surrounds it."""

import re
from typing import Any

from botocore.exceptions import ClientError

from laptop.failure import Failure

_FIRST_BYTES = 64 * 1024
_MAX_BYTES = 16 * 1024 * 1024  # no longer record gets through the pipeline

# What counts in looking for an object's end: whole strings, and braces outside of them. A quote by itself opens a string that does not end here.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}]', re.DOTALL)


def end_of(text: bytes) -> int | None:
    """How many bytes the JSON object has that `text` begins with; nothing if it goes on behind `text`."""
    depth = 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case b"{":
                depth += 1
            case b"}":
                depth -= 1
                if depth == 0:
                    return token.end()
            case b'"':
                return None
    return None


def read(s3: Any, bucket: str, key: str, offset: int) -> bytes:
    place = f"byte {offset:,} of s3://{bucket}/{key}"
    text, size = b"", _FIRST_BYTES
    while True:
        more = _range(s3, bucket, key, offset + len(text), size)
        text += more
        if not text.startswith(b"{"):
            raise Failure("RecordMissing", f"no record begins at {place}, but {text[:20]!r}: this is not the object that the row was read from")
        if (end := end_of(text)) is not None:
            return text[:end]
        if len(more) < size or len(text) >= _MAX_BYTES:
            raise Failure("RecordMissing", f"the record at {place} has no end within {len(text):,} bytes: this is not the object that the row was read from")
        size = len(text)  # it is scanned from its beginning again, so each time there should be twice as much of it


def _range(s3: Any, bucket: str, key: str, start: int, size: int) -> bytes:
    try:
        return s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{start + size - 1}")["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvalidRange":  # it begins behind the object's end
            return b""
        raise
