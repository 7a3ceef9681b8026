"""The product's own statements for a made-up run, from the example `load_sql`: nothing here knows them."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from laptop.failure import Failure
from laptop.paths import ROOT


@dataclass(frozen=True)
class Run:
    run_id: str
    source_uri: str
    source_version: str
    source_modified_at: str  # RFC 3339, UTC
    rows_clean: int
    rows_matched: int
    quarantined_by_rule: dict[str, int]
    sums: dict[str, str]


@dataclass(frozen=True)
class Rendered:
    schema: str
    table: str
    columns: list[str]
    key: list[str]
    source: list[str]  # where a row comes from; the later wins
    summed: list[str]
    staging: list[str]  # clean rows, quarantine
    load: dict[str, list[dict[str, Any]]]


def render(run: Run) -> Rendered:
    command = ["cargo", "run", "-q", "--locked", "-p", "pipeline", "--example", "load_sql", "--", "contract.odcs.yaml"]
    done = subprocess.run(command, cwd=ROOT, input=json.dumps(vars(run)), capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure("RenderFailed", f"the example load_sql failed: {done.stderr.strip()}")
    return Rendered(**json.loads(done.stdout))
