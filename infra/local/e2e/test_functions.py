"""Each function by itself, invoked as the state machine invokes it: what it answers, and that doing a step twice is harmless."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from faults.gateway import Gateway
from faults.steps import StepFailed
from laptop.inputs import Inputs
from world import World


@pytest.fixture(scope="module")
def run_id(world: World) -> str:
    """A run that has been fetched and cleaned, and is not loaded."""
    world.seed()
    return fetch_and_clean(world)


def test_fetch_pins_the_sources_once(world: World, run_id: str) -> None:
    first = world.steps.fetch(run_id)
    assert first["splits"] == 1
    assert world.read(first["splits_key"]) == [{"run_id": run_id, "split": 0}]
    raw = world.read(first["raw_manifest"])
    source = Inputs().transactions.read_bytes()
    assert (raw["bytes"], raw["records"]) == (len(source), len(json.loads(source)))
    assert world.body(raw["raw_key"]) == source

    # The blob changes; a run that is under way keeps what it pinned.
    world.put_blob(b"[]")
    assert world.steps.fetch(run_id) == first


def test_merge_and_clean_twice_writes_the_same_bytes(world: World, run_id: str) -> None:
    world.seed()
    again = fetch_and_clean(world)
    assert world.steps.invoke("MergeAndClean", {"action": "clean", "run_id": again, "split": 0}) == {
        "run_id": again,
        "split": 0,
        "part": f"runs/{again}/parts/part-00000.json",
    }
    parts = [world.read(f"runs/{name}/parts/part-00000.json") for name in (run_id, again)]
    for file in ("clean", "quarantine"):
        assert parts[0][file]["sha256"] == parts[1][file]["sha256"]
        assert parts[0][file]["bytes"] == len(world.body(parts[0][file]["key"]))
    assert parts[0]["ledger"] == parts[1]["ledger"]


def test_start_twice_starts_one_load(world: World, run_id: str) -> None:
    world.configure(LOAD_MODE="glue")
    with a_job_that_only_waits(world):
        first = world.steps.start(run_id)
        assert (first["finished"], first["status"], first["statement_id"]) == (False, "LOADING", None)
        assert world.steps.start(run_id) == first
        assert job_runs(world, run_id) == [first["load"]["id"]]


def test_a_redrive_starts_a_failed_load_once_more(world: World) -> None:
    """The emulator cannot redrive, so its calls are made by hand: the state that failed is entered again, with a higher count."""
    world.seed()
    world.configure(LOAD_MODE="glue")
    run_id = fetch_and_clean(world)
    with a_job_that_only_waits(world):
        first = world.steps.start(run_id)
    # Without a redrive it stays failed, however often it is asked.
    for _ in range(2):
        with pytest.raises(StepFailed, match="LoadFailed: .* STOPPED: .*redrive the execution"):
            world.steps.finish(run_id)

    second = world.steps.check(run_id, redrives=1)

    assert (second["status"], second["load"]["attempt"]) == ("LOADING", 2)
    assert job_runs(world, run_id) == [second["load"]["id"], first["load"]["id"]]
    answer = world.steps.finish(run_id, redrives=1)
    assert (answer["status"], answer["ledger"]["rows_read"]) == ("BALANCED", world.ledger(run_id).rows["read"])


def test_a_row_lost_on_the_way_to_the_warehouse_stops_the_load(world: World) -> None:
    """The clean rows of a run are replaced by fewer, as if some had been lost after they were counted."""
    world.seed()
    run_id = fetch_and_clean(world)
    records = json.loads(Inputs().transactions.read_text())
    world.put_blob(json.dumps(records[:-1]).encode())
    fewer = fetch_and_clean(world)
    part = world.read(f"runs/{run_id}/parts/part-00000.json")
    content = world.body(f"runs/{fewer}/clean/part-00000.parquet")
    part["clean"]["bytes"] = len(content)  # which COPY would notice
    world.put_object(f"runs/{run_id}/parts/part-00000.json", json.dumps(part).encode())
    world.put_object(f"runs/{run_id}/clean/part-00000.parquet", content)
    # A warehouse without a ledger gets an empty one before the load's transaction begins.
    before = world.tables() or [("crosstally", "ledger", 0, None)]

    world.steps.start(run_id)
    with pytest.raises(StepFailed) as failed:
        world.steps.finish(run_id)

    clean = part["ledger"]["transactions"]["clean"]
    assert failed.value.name == "LedgerMismatch"
    assert f"{clean} clean rows were written, and the warehouse has staged {clean - 1}" in failed.value.message
    assert world.tables() == before
    assert world.ledger(run_id) is None


@pytest.mark.parametrize(
    ("function", "payload"),
    [
        ("MergeAndClean", {"action": "clean", "run_id": "nobody", "split": 0}),
        ("MergeAndClean", {"action": "report_failure", "run_id": "nobody"}),
        ("TriggerGlueLoad", {"action": "start", "run_id": "nobody", "redrives": 0}),
        ("TriggerGlueLoad", {"action": "check", "run_id": "nobody", "redrives": 0, "statement_id": None}),
    ],
)
def test_a_step_out_of_turn_says_what_is_missing(world: World, function: str, payload: dict) -> None:
    with pytest.raises(StepFailed, match="^RunIncomplete: .*nobody"):
        world.steps.invoke(function, payload)


def test_no_log_holds_a_key(world: World, run_id: str) -> None:
    logs = "".join(file.read_text(errors="replace") for file in world.stack.logs.iterdir())
    assert run_id in logs
    secret = world.stack.client("secretsmanager").get_secret_value(SecretId=world.session.secrets.azure)["SecretString"]
    key = secret.split("AccountKey=")[1].split(";")[0]
    for word in (key, "SharedKey ", world.stack.warehouse.password):
        assert word not in logs


def fetch_and_clean(world: World) -> str:
    run_id = f"steps-{uuid.uuid4().hex[:8]}"
    world.steps.fetch_and_clean(run_id)
    return run_id


@contextmanager
def a_job_that_only_waits(world: World) -> Iterator[None]:
    """What is started inside is held before it does anything, and stopped at the end."""
    gateway, job = Gateway(world.stack.endpoints.gateway), world.session.deployment.glue_job
    gateway.script({"operation": "StartJobRun", "do": "hold_run", "state": "WAITING", "seconds": 60})
    try:
        yield
        glue = world.stack.client("glue")
        waiting = [run["Id"] for run in glue.get_job_runs(JobName=job)["JobRuns"] if run["JobRunState"] == "WAITING"]
        assert len(waiting) == 1
        glue.batch_stop_job_run(JobName=job, JobRunIds=waiting)
    finally:
        gateway.clear()


def job_runs(world: World, run_id: str) -> list[str]:
    """Those of this run, newest first."""
    runs = world.stack.client("glue").get_job_runs(JobName=world.session.deployment.glue_job)["JobRuns"]
    return [run["Id"] for run in runs if run["Arguments"]["--run_id"] == run_id]
