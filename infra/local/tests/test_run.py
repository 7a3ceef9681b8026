"""`make run` as a whole, in a stack of its own beside the one of the other tests."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import expected
import generate
import pytest
from conftest import World
from laptop.paths import LOCAL_FOLDER


def run(out: Path, *options: str | Path) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name != "CROSSTALLY_GUARD"} | {"PYTHONPATH": str(LOCAL_FOLDER)}
    command = [sys.executable, "-m", "laptop", "run", "--out", str(out), *map(str, options)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    generate.main(["--rows", "1000", "--format", "ndjson", "--seed", "7", "--out", str(folder)])
    return folder


# It needs the build that `world` has made, or waits for it.
def test_a_run_of_ones_own_files(world: World, files: Path, tmp_path: Path) -> None:
    customers, transactions = files / "customers.csv", files / "transactions.json"
    ended = run(tmp_path, "--customers", customers, "--transactions", transactions)
    assert ended.returncode == 0, ended.stdout + ended.stderr

    summary = json.loads((tmp_path / "summary.json").read_text())
    truth = expected.of_files(customers, transactions)
    assert summary["status"] == "SUCCEEDED" and summary["error"] is None
    for part in ("rows", "quarantined_by_rule", "customers", "matched", "unmatched"):
        assert summary[part] == truth[part]
    assert summary["sums"]["amount"] == truth["sums"]["amount"]
    assert {"FetchTransactions", "MergeAndClean", "StartLoad", "CheckLoad"} <= summary["seconds"].keys()

    assert json.loads((tmp_path / "manifest.json").read_text())["run_id"] == summary["run_id"]
    for kind in ("clean", "quarantine"):
        assert [path.read_bytes()[:4] for path in (tmp_path / kind).glob("part-*.parquet")] == [b"PAR1"]

    assert "\x1b" not in ended.stdout
    assert re.search(rf"rows read +{truth['rows']['read']:,}\n", ended.stdout)
    assert f"runs/{summary['run_id']}/manifest.json" in ended.stdout
    assert "psql -h 127.0.0.1" in ended.stdout


def test_a_failed_execution_says_why(world: World, files: Path, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.json"
    nothing.write_bytes(b"")
    out = tmp_path / "out"
    ended = run(out, "--customers", files / "customers.csv", "--transactions", nothing)
    assert ended.returncode == 1
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["status"], summary["error"]["name"]) == ("FAILED", "SourceEmpty")
    assert summary["rows"] == {"read": 0, "loaded": 0, "superseded": 0, "quarantined": 0}
    assert list(summary["seconds"]) == ["PrepareRun", "FetchTransactions"]
    assert "error: SourceEmpty: " in ended.stderr and "  log: " in ended.stderr
    assert not (out / "manifest.json").exists()
