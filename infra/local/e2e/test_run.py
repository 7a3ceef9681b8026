"""`make run` as a whole, in a stack of its own beside the one of the other tests; and `make start` on theirs."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import expected
import generate
import pytest
from laptop import __main__ as entry
from laptop import background, commands, page
from laptop import run as runs
from laptop.failure import Failure
from laptop.inputs import Inputs
from laptop.paths import LOCAL_FOLDER, ROOT
from laptop.session import Session
from world import World


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
    assert sum(summary["seconds"].values()) <= summary["seconds_to_balanced_ledger"] < sum(summary["seconds"].values()) + 5
    assert summary["state_transitions"] > len(summary["seconds"])  # the Map has a child
    assert summary["data_api_calls"].keys() == {"ExecuteStatement", "DescribeStatement", "GetStatementResult"}
    assert summary["plan"] is None

    assert json.loads((tmp_path / "manifest.json").read_text())["run_id"] == summary["run_id"]
    for kind in ("clean", "quarantine"):
        assert [path.read_bytes()[:4] for path in (tmp_path / kind).glob("part-*.parquet")] == [b"PAR1"]

    assert "\x1b" not in ended.stdout
    assert re.search(rf"state transitions +{summary['state_transitions']} ", ended.stdout)
    calls = summary["data_api_calls"]
    assert re.search(rf"Data API calls +{sum(calls.values())} .*ExecuteStatement {calls['ExecuteStatement']}", ended.stdout)
    assert re.search(rf"seconds to the balanced ledger +{summary['seconds_to_balanced_ledger']:.2f} ", ended.stdout)
    assert re.search(rf"rows read +{truth['rows']['read']:,}\n", ended.stdout)
    assert f"runs/{summary['run_id']}/manifest.json" in ended.stdout
    assert "psql -h 127.0.0.1" in ended.stdout

    kept = tmp_path / "report.html"
    assert (summary["report"], kept.is_file()) == (str(kept), True)
    assert f"report: {kept}\n" in ended.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["run"]["run_id"], report["verdict"]["outcome"]) == (summary["run_id"], "balanced")
    assert (report["rows"]["read"], report["rows"]["quarantined"]) == (truth["rows"]["read"], truth["rows"]["quarantined"])
    assert "AWS Glue" in {item["what"] for item in report["cost"]["items"]}
    assert len((tmp_path / "openlineage.ndjson").read_text().splitlines()) == 2


def test_a_failed_execution_says_why(world: World, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make run` from its words to its exit code, but for the stack, which here is that of the other tests."""

    @contextmanager
    def ready(_command: str, inputs: Inputs) -> Iterator[Session]:
        world.seed(inputs)
        yield world.session

    monkeypatch.setattr(runs, "ready", ready)
    nothing, out = tmp_path / "nothing.json", tmp_path / "out"
    nothing.write_bytes(b"")
    words = ["run", "--customers", files / "customers.csv", "--transactions", nothing, "--out", out]

    assert entry.main(commands.parse([str(word) for word in words])) == 1

    said = capsys.readouterr().err
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["status"], summary["error"]["name"]) == ("FAILED", "SourceEmpty")
    assert summary["rows"] == {"read": 0, "loaded": 0, "superseded": 0, "quarantined": 0}
    assert list(summary["seconds"]) == ["PrepareRun", "FetchTransactions"]
    assert "error: SourceEmpty: " in said and "  log: " in said
    assert not (out / "manifest.json").exists()
    assert summary["state_transitions"] == 2 and summary["seconds_to_balanced_ledger"] is None
    assert json.loads((out / "report.json").read_text())["verdict"]["error"]["name"] == "SourceEmpty"
    assert summary["report"] == str(out / "report.html")


@pytest.fixture
def attached(world: World, monkeypatch: pytest.MonkeyPatch) -> Session:
    """The world as another process finds it."""
    monkeypatch.setattr(background, "_running", lambda: {"session": json.loads(json.dumps(background.state_of(world.session)))})
    return background.attach()


def test_runs_on_a_stack_that_is_up(
    world: World, attached: Session, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.empty_warehouse()
    world.seed()
    given = {"customers": files / "customers.csv", "transactions": files / "transactions.json"}
    truth = expected.of_files(*given.values())

    assert runs.start(attached, {"plan": True}, given, tmp_path / "plan") == 0
    planned = json.loads((tmp_path / "plan" / "summary.json").read_text())
    assert planned["status"] == "SUCCEEDED"
    assert planned["plan"]["rows_read"] == truth["rows"]["read"] and planned["plan"]["rows_inserted"] == truth["rows"]["loaded"]
    assert planned["rows"]["loaded"] == 0 and planned["seconds_to_balanced_ledger"] is None
    said = capsys.readouterr().out
    assert re.search(rf"would be loaded +{truth['rows']['loaded']:,} +inserted {truth['rows']['loaded']:,}, ", said)
    assert 'CREATE TABLE IF NOT EXISTS "analytics"."customer_transactions"' in said

    # What was put in place for the plan is still there.
    assert runs.start(attached, {}, {}, tmp_path / "run") == 0
    loaded = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (loaded["status"], loaded["rows"]) == ("SUCCEEDED", truth["rows"])
    assert loaded["run_id"] in capsys.readouterr().out

    # Without OUT its page is kept all the same; of a report that does not come one is told, and the run is what it was.
    assert runs.start(attached, {}, {}, None) == 0
    kept = re.search(r"^report: (\S+report\.html)$", capsys.readouterr().out, re.MULTILINE)
    assert kept and Path(kept[1]).is_file()
    with monkeypatch.context() as patch:
        patch.setattr(page, "_PATIENCE_SECONDS", 0.0)
        assert runs.start(attached, {}, {}, tmp_path / "unreported") == 0
    assert "warning: there is no report of this run: " in capsys.readouterr().out
    loaded = json.loads((tmp_path / "unreported" / "summary.json").read_text())
    assert loaded["report"] is None

    assert runs.start(attached, {"skipUnchanged": True}, {}, tmp_path / "unchanged") == 0
    unchanged = json.loads((tmp_path / "unchanged" / "summary.json").read_text())
    reason = f"nothing has changed since the run {loaded['run_id']}"
    assert (unchanged["status"], unchanged["nothing_to_do"], unchanged["error"]) == ("SUCCEEDED", reason, None)
    assert reason in capsys.readouterr().out

    # A run of a contract with another table, beside the first one.
    contract = tmp_path / "contract.odcs.yaml"
    contract.write_text((ROOT / "contract.odcs.yaml").read_text().replace("analytics.customer_transactions", "analytics.zebra"))
    assert runs.start(attached, {}, {"contract": contract}, None) == 0
    assert world.query("SELECT count(*) FROM analytics.zebra") == [(truth["rows"]["loaded"],)]

    nothing = tmp_path / "nothing.json"
    nothing.write_bytes(b"")
    with pytest.raises(Failure, match="SourceEmpty") as failure:
        runs.start(attached, {}, {"transactions": nothing}, tmp_path / "failed")
    assert any("fetch-azure-to-s3" in log.name for log in failure.value.logs)
    assert json.loads((tmp_path / "failed" / "summary.json").read_text())["error"]["name"] == "SourceEmpty"
