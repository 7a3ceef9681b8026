"""The data: what samples/generate.py makes, in both forms with the same records, kept from one session to the next."""

import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

from laptop.failure import Failure
from laptop.paths import ROOT, STATE

from bench.options import FORMS

FOLDER = STATE / "bench" / "data"
_GENERATOR = ROOT / "samples" / "generate.py"

# Measured, rounded up: customers and both forms; the outputs of all tools while they are compared.
_INPUT_BYTES_A_ROW = 450
_OUTPUT_BYTES_A_ROW = 300
_SPARE_BYTES = 1 << 30


def of(rows: int) -> Path:
    return FOLDER / str(rows)


def ensure(sizes: list[int]) -> None:
    missing = [rows for rows in sizes if not _stands(of(rows))]
    FOLDER.mkdir(parents=True, exist_ok=True)
    free, needed = shutil.disk_usage(FOLDER).free, room(missing, max(sizes))
    if free < needed:
        raise Failure("DiskFull", f"{FOLDER} has {free >> 20:,} MiB free, and {needed >> 20:,} MiB are needed; narrow it with SIZES=…, or make room")
    for rows in missing:
        _make(rows)


def room(to_make: list[int], largest: int) -> int:
    return sum(to_make) * _INPUT_BYTES_A_ROW + largest * _OUTPUT_BYTES_A_ROW + _SPARE_BYTES


def write_array(lines: Path, array: Path, chunk_bytes: int = 1 << 22) -> None:
    """The records of an NDJSON file as one array. No record has a line break inside, and the last line ends with one."""
    with lines.open("rb") as source, array.open("wb") as out:
        out.write(b"[\n")
        held = b""
        while chunk := source.read(chunk_bytes):
            out.write(held)
            if chunk.endswith(b"\n"):  # Whether a record follows is not known yet.
                chunk, held = chunk[:-1], b",\n"
            else:
                held = b""
            out.write(chunk.replace(b"\n", b",\n"))
        out.write(b"\n]\n")


def _make(rows: int) -> None:
    started = time.monotonic()
    print(f"data: {rows:,} transactions ...", file=sys.stderr, flush=True)
    scratch = FOLDER / f"{rows}.new"
    shutil.rmtree(scratch, ignore_errors=True)
    command = [sys.executable, _GENERATOR, "--rows", str(rows), "--format", "ndjson", "--out", scratch]
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode != 0:
        raise Failure("DataFailed", f"samples/generate.py --rows {rows} failed")
    (scratch / "transactions.json").rename(scratch / FORMS["ndjson"])
    write_array(scratch / FORMS["ndjson"], scratch / FORMS["array"])
    (scratch / "generator").write_text(_generator())
    shutil.rmtree(of(rows), ignore_errors=True)
    scratch.rename(of(rows))
    print(f"data: {rows:,} transactions made in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def _stands(folder: Path) -> bool:
    mark = folder / "generator"
    return mark.exists() and mark.read_text() == _generator()


def _generator() -> str:
    return hashlib.sha256(_GENERATOR.read_bytes()).hexdigest()
