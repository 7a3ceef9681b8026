"""The report of a run: a good one, one that fails and one that has nothing to load, one after the other on the same stack."""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pyarrow.parquet
import pytest
from laptop import deployed, page, ports, seed
from laptop.execution import Execution
from laptop.inputs import Inputs
from laptop.paths import LOCAL_FOLDER, PAGES_VENV, ROOT
from laptop.report import export, keys
from world import World


@dataclass(frozen=True)
class Reported:
    """A run that has ended, and the files of its report."""

    run: Execution
    folder: Path

    @property
    def report(self) -> dict:
        return json.loads((self.folder / "report.json").read_text())

    @property
    def events(self) -> list[dict]:
        return [json.loads(line) for line in (self.folder / "openlineage.ndjson").read_text().splitlines()]


def report(world: World, run: Execution, folder: Path) -> Reported:
    assert page.fetch(world.session, run.arn, run.name, folder) == folder / "report.html"
    return Reported(run, folder)


def report_again(world: World, run: Execution, folder: Path) -> Reported:
    """As somebody does by hand."""
    name = deployed.resource(world.stack.client, world.session.deployment.stack, deployed.LOADS)
    payload = json.dumps({"action": "report", "execution_arn": run.arn})
    answer = world.stack.client("lambda").invoke(FunctionName=name, Payload=payload)
    said = json.loads(answer["Payload"].read())
    assert (said["run_id"], said["report"]) == (run.name, f"runs/{run.name}/report.html"), said
    return report(world, run, folder)


@pytest.fixture(scope="module")
def good(world: World, tmp_path_factory: pytest.TempPathFactory) -> Reported:
    world.empty_warehouse()
    world.seed()
    # Another blob than the last, so that it is copied anew.
    world.put_blob(Inputs().transactions.read_bytes() + b"\n \n")
    run = world.run()
    assert run.status == "SUCCEEDED", run.error
    return report(world, run, tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def failed(world: World, good: Reported, tmp_path_factory: pytest.TempPathFactory) -> Reported:
    blob = seed.blob_service(world.stack).get_blob_client(seed.CONTAINER, seed.BLOB)
    content = blob.download_blob().readall()
    world.put_blob(b"")
    try:
        run = world.run()
    finally:
        world.put_blob(content)
    assert run.status == "FAILED"
    return report(world, run, tmp_path_factory.mktemp("failed"))


@pytest.fixture(scope="module")
def nothing(world: World, failed: Reported, tmp_path_factory: pytest.TempPathFactory) -> Reported:
    # The blob that stands there now is a new version; it is loaded once, and then there is nothing to do.
    loaded = world.run()
    assert loaded.status == "SUCCEEDED"
    report(world, loaded, tmp_path_factory.mktemp("loaded"))
    run = world.run(skipUnchanged=True)
    assert json.loads(run.output)["outcome"] == "unchanged", run.output
    return report(world, run, tmp_path_factory.mktemp("nothing"))


def test_a_good_run_is_told_as_the_ledger_has_it(good: Reported, world: World) -> None:
    told, books = good.report, world.ledger(good.run.name)
    assert (told["run"]["run_id"], told["run"]["pipeline"]) == (good.run.name, world.session.deployment.stack)
    assert (told["verdict"]["outcome"], told["verdict"]["error"]) == ("balanced", None)
    rows = told["rows"]
    assert {"read": rows["read"], "quarantined": rows["quarantined"]} == {name: books.rows[name] for name in ("read", "quarantined")}
    assert {kind: rows["loaded"][kind] for kind in ("inserted", "updated", "unchanged", "superseded")} == {
        kind: books.row[f"rows_{kind}"] for kind in ("inserted", "updated", "unchanged", "superseded")
    }
    assert (rows["loaded"]["matched"], rows["loaded"]["unmatched"]) == (books.matched, books.unmatched)
    assert told["customers"] == books.customers
    assert {total["column"]: total["clean"] for total in told["sums"]} == {column: sums["clean"] for column, sums in books.sums.items()}
    by_rule = {broken["rule"]: broken["rows"] for broken in told["quarantine"] if broken["source"] == "transactions"}
    assert by_rule == books.quarantined_by_rule


def test_a_good_run_is_told_as_its_manifest_has_it(good: Reported, world: World, tmp_path: Path) -> None:
    export(world.stack, world.session.deployment.bucket, good.run.name, tmp_path)
    told, manifest = good.report, json.loads((tmp_path / "manifest.json").read_text())
    assert told["run"]["contract_version"] == manifest["contract"]["version"]
    sources = {source["name"]: source for source in told["sources"]}
    raw = manifest["transactions"]
    assert (sources["transactions"]["bytes"], sources["transactions"]["records"]) == (raw["bytes"], raw["records"])
    assert sources["customers"]["bytes"] == manifest["customers"]["bytes"]

    # Every column of the clean rows, as another reader of Parquet counts it.
    clean = pyarrow.parquet.read_table(tmp_path / "clean")
    columns = {column["name"]: column for column in told["columns"]}
    assert columns
    for name, column in columns.items():
        assert (name, column["rows"], column["nulls"]) == (name, clean.num_rows, clean[name].null_count)
        assert column["distinct"] == pytest.approx(len(clean[name].unique().drop_null()), rel=0.1, abs=2), name


def test_the_states_are_those_of_the_execution(good: Reported) -> None:
    states = {state["name"]: state for state in good.report["states"]}
    assert list(states) == list(good.run.states)
    assert {name: state["visits"] for name, state in states.items()} == {name: state.visits for name, state in good.run.states.items()}
    assert all(0 <= state["start"] <= state["end"] <= good.report["run"]["seconds"] + 0.01 for state in states.values())
    assert not any(state["has_failed"] for state in states.values())


def test_what_went_through_is_told_with_its_time(good: Reported) -> None:
    speeds = {speed["what"]: speed for speed in good.report["speeds"]}
    assert list(speeds) == ["copied from Azure", "merged and cleaned"]
    (transactions,) = [source for source in good.report["sources"] if source["name"] == "transactions"]
    assert all(speed["bytes"] == transactions["bytes"] and speed["seconds"] > 0 for speed in speeds.values())


def test_a_sample_lies_where_its_offset_says(good: Reported) -> None:
    source = Inputs().transactions.read_bytes()
    samples = [sample for broken in good.report["quarantine"] if broken["source"] == "transactions" for sample in broken["samples"]]
    assert samples
    for sample in samples:
        record = source[sample["offset"] : sample["offset"] + sample["record_bytes"]]
        assert (record[:1], record[-1:]) == (b"{", b"}")
        assert sample["text"][:12].encode() == record[:12]


def test_what_it_cost_adds_up(good: Reported) -> None:
    cost = good.report["cost"]
    assert len(cost["items"]) > 1
    for item in cost["items"]:
        assert item["dollars"] == pytest.approx(item["quantity"] * item["price"])
    assert 0 < cost["total"] == pytest.approx(sum(item["dollars"] for item in cost["items"]))


def test_a_failed_run_is_told_with_its_error(failed: Reported) -> None:
    verdict = failed.report["verdict"]
    assert verdict["outcome"] == "failed"
    assert verdict["error"] == {**failed.run.error, "state": "FetchTransactions"}
    assert failed.report["rows"] is None and failed.report["columns"] == []
    assert [state["name"] for state in failed.report["states"] if state["has_failed"]] == ["FetchTransactions"]
    assert failed.run.error["name"] in (failed.folder / "report.html").read_text()


def test_a_run_with_nothing_to_load_says_why(nothing: Reported) -> None:
    verdict = nothing.report["verdict"]
    assert (verdict["outcome"], verdict["error"]) == ("nothing_to_load", None)
    assert json.loads(nothing.run.output)["since_run"] in verdict["note"]


def test_the_output_names_the_page(good: Reported, nothing: Reported) -> None:
    for reported in (good, nothing):
        assert json.loads(reported.run.output)["report"] == f"runs/{reported.run.name}/report.html"


def test_each_knows_those_before_it(good: Reported, failed: Reported, nothing: Reported) -> None:
    assert good.run.name not in [past["run_id"] for past in good.report["history"]]
    past = nothing.report["history"][:3]
    assert [run["run_id"] for run in past[1:]] == [failed.run.name, good.run.name]
    assert [run["outcome"] for run in past] == ["balanced", "failed", "balanced"]


def test_the_index_lists_all_the_newest_first(good: Reported, failed: Reported, nothing: Reported, world: World) -> None:
    # It is written after the last run's page.
    deadline, text = time.monotonic() + 10, ""
    while nothing.run.name not in text and time.monotonic() < deadline:
        index = world.stack.client("s3").get_object(Bucket=world.session.deployment.bucket, Key="runs/index.html")
        text = index["Body"].read().decode()
    assert index["ContentType"] == "text/html; charset=utf-8"
    places = [text.index(f"{reported.run.name}/report.html") for reported in (nothing, failed, good)]
    assert places == sorted(places)


def test_a_second_report_of_a_run_takes_the_place_of_the_first(good: Reported, world: World, tmp_path: Path) -> None:
    bucket = world.session.deployment.bucket
    before = keys(world.stack, bucket, "history/")
    again = report_again(world, good.run, tmp_path)
    assert keys(world.stack, bucket, "history/") == before
    assert again.report["rows"] == good.report["rows"] and again.report["quarantine"] == good.report["quarantine"]
    assert again.events == good.events


@pytest.mark.parametrize(("which", "ends"), [("good", "COMPLETE"), ("failed", "FAIL"), ("nothing", "COMPLETE")])
def test_its_lineage_is_a_start_and_an_end(which: str, ends: str, request: pytest.FixtureRequest) -> None:
    started, ended = request.getfixturevalue(which).events
    assert [started["eventType"], ended["eventType"]] == ["START", ends]
    assert started["run"]["runId"] == ended["run"]["runId"] and started["job"] == ended["job"]
    assert started["eventTime"] <= ended["eventTime"]
    if which == "good":
        assert any("customer_transactions" in dataset["name"] for dataset in ended["outputs"]) and len(ended["inputs"]) == 2


class Receiver:
    """Of OpenLineage events: keeps them, and answers as it is told."""

    def __init__(self) -> None:
        self.events: list[dict] = []
        self.status = 201
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.events.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api/v1/lineage"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver(world: World) -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    world.configure()
    receiver.close()


def test_a_receiver_gets_the_events(good: Reported, world: World, receiver: Receiver, tmp_path: Path) -> None:
    world.configure(OPENLINEAGE_URL=receiver.url)
    again = report_again(world, good.run, tmp_path)
    assert receiver.events == again.events and len(receiver.events) == 2


@pytest.mark.parametrize("how", ["refuses", "is not there"])
def test_a_receiver_that_is_down_harms_nothing(how: str, good: Reported, world: World, receiver: Receiver, tmp_path: Path) -> None:
    receiver.status = 500
    world.configure(OPENLINEAGE_URL=receiver.url if how == "refuses" else f"http://127.0.0.1:{ports.find()}/")
    again = report_again(world, good.run, tmp_path)
    assert again.report["verdict"]["outcome"] == "balanced" and len(again.events) == 2
    assert bool(receiver.events) == (how == "refuses")


def test_a_browser_finds_no_fault_in_the_pages(good: Reported, failed: Reported, nothing: Reported, world: World, tmp_path: Path) -> None:
    index = tmp_path / "index.html"
    world.stack.client("s3").download_file(world.session.deployment.bucket, "runs/index.html", str(index))
    pages = [index, *(reported.folder / "report.html" for reported in (good, failed, nothing))]
    command = [PAGES_VENV / "bin" / "python", "-m", "browser", "check", *pages]
    found = subprocess.run(command, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT / 'infra'}:{LOCAL_FOLDER}"}, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, ""), found.stdout + found.stderr
