"""The blob: the sample generator's transactions as one array, said again and again until it has the size that is wanted."""

import hashlib
import sys
from pathlib import Path

from bench import inputs
from bench.options import FORMS

_ROWS = 100_000


def ensure(size_bytes: int) -> Path:
    """Kept from one session to the next. Reading it once, to look at it, puts it into the page cache."""
    inputs.ensure([_ROWS])
    file = inputs.FOLDER / f"transactions-{size_bytes}.json"
    if not file.exists() or file.stat().st_size != size_bytes:
        scratch = file.with_suffix(".new")
        _make(inputs.of(_ROWS) / FORMS["ndjson"], scratch, size_bytes)
        scratch.rename(file)
    return file


def md5(file: Path) -> bytes:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "md5").digest()


def _make(lines: Path, file: Path, size_bytes: int) -> None:
    print(f"data: {size_bytes >> 20:,} MiB ...", file=sys.stderr, flush=True)
    records = lines.read_bytes().splitlines()
    block = b",\n".join(records)
    with file.open("wb") as out:
        left, separator = size_bytes - out.write(b"[") - len(b"]"), b""
        while left > len(separator + block):
            left -= out.write(separator + block)
            separator = b",\n"
        for record in records:
            if left < len(separator + record):
                break
            left -= out.write(separator + record)
            separator = b",\n"
        out.write(b" " * left + b"]")
