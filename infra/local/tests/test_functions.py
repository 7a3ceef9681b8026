"""Each function by itself, invoked as the state machine invokes it: what it answers, and that doing a step twice is harmless."""

import json
import time
import uuid

import pytest
from conftest import World
from laptop.inputs import Inputs


@pytest.fixture(scope="module")
def run_id(world: World) -> str:
    """A run that has been fetched and cleaned, and is not loaded."""
    world.seed(Inputs())
    return fetch_and_clean(world)


def test_fetch_pins_the_sources_once(world: World, run_id: str) -> None:
    first = invoke(world, "FetchAzureToS3", {"run_id": run_id})
    assert first["splits"] == 1
    assert read(world, first["splits_key"]) == [{"run_id": run_id, "split": 0}]
    raw = read(world, first["raw_manifest"])
    source = Inputs().transactions.read_bytes()
    assert (raw["bytes"], raw["records"]) == (len(source), len(json.loads(source)))
    assert body(world, raw["raw_key"]) == source

    # The blob changes; a run that is under way keeps what it pinned.
    world.put_blob(b"[]")
    assert invoke(world, "FetchAzureToS3", {"run_id": run_id}) == first
    world.seed(Inputs())


def test_merge_and_clean_twice_writes_the_same_bytes(world: World, run_id: str) -> None:
    again = fetch_and_clean(world)
    payload = {"action": "clean", "run_id": again, "split": 0}
    assert invoke(world, "MergeAndClean", payload) == {"run_id": again, "split": 0, "part": f"runs/{again}/parts/part-00000.json"}
    parts = [read(world, f"runs/{name}/parts/part-00000.json") for name in (run_id, again)]
    for file in ("clean", "quarantine"):
        assert parts[0][file]["sha256"] == parts[1][file]["sha256"]
        assert parts[0][file]["bytes"] == len(body(world, parts[0][file]["key"]))
    assert parts[0]["ledger"] == parts[1]["ledger"]


def test_start_twice_starts_one_load(world: World, run_id: str) -> None:
    first = invoke(world, "TriggerGlueLoad", {"action": "start", "run_id": run_id})
    assert (first["finished"], first["status"], first["statement_id"]) == (False, "LOADING", None)
    assert invoke(world, "TriggerGlueLoad", {"action": "start", "run_id": run_id}) == first
    job = world.session.deployment.glue_job
    runs = [run for run in world.stack.client("glue").get_job_runs(JobName=job)["JobRuns"] if run["Arguments"]["--run_id"] == run_id]
    assert [run["Id"] for run in runs] == [first["job_run_id"]]
    world.stack.client("glue").batch_stop_job_run(JobName=job, JobRunIds=[first["job_run_id"]])


def test_a_row_lost_on_the_way_to_the_warehouse_stops_the_load(world: World) -> None:
    """The clean rows of a run are replaced by fewer, as if some had been lost after they were counted."""
    world.seed(Inputs())
    run_id = fetch_and_clean(world)
    records = json.loads(Inputs().transactions.read_text())
    world.put_blob(json.dumps(records[:-1]).encode())
    fewer = fetch_and_clean(world)
    world.seed(Inputs())
    key = "runs/{}/clean/part-00000.parquet"
    world.put_object(key.format(run_id), body(world, key.format(fewer)))
    before = world.tables()

    state = invoke(world, "TriggerGlueLoad", {"action": "start", "run_id": run_id})
    payload = {"action": "check", "run_id": run_id, "job_run_id": state["job_run_id"], "statement_id": None}
    error = wait_for_error(world, payload)

    clean = read(world, f"runs/{run_id}/parts/part-00000.json")["ledger"]["transactions"]["clean"]
    assert error["errorType"] == "LedgerMismatch"
    assert f"{clean} clean rows were written, and the warehouse has staged {clean - 1}" in error["errorMessage"]
    assert world.tables() == before
    assert world.ledger(run_id) is None


def test_a_step_out_of_turn_says_what_is_missing(world: World) -> None:
    for function, payload in [
        ("MergeAndClean", {"action": "clean", "run_id": "nobody", "split": 0}),
        ("MergeAndClean", {"action": "report_failure", "run_id": "nobody"}),
        ("TriggerGlueLoad", {"action": "start", "run_id": "nobody"}),
    ]:
        error = invoke(world, function, payload, fails=True)
        assert error["errorType"] == "RunIncomplete"
        assert "nobody" in error["errorMessage"]


def test_no_log_holds_a_key(world: World, run_id: str) -> None:
    logs = "".join(file.read_text(errors="replace") for file in world.stack.logs.iterdir())
    assert run_id in logs
    secret = world.stack.client("secretsmanager").get_secret_value(SecretId=world.session.secrets.azure)["SecretString"]
    key = secret.split("AccountKey=")[1].split(";")[0]
    for word in (key, "SharedKey ", world.stack.warehouse.password):
        assert word not in logs


def fetch_and_clean(world: World) -> str:
    run_id = f"steps-{uuid.uuid4().hex[:8]}"
    fetched = invoke(world, "FetchAzureToS3", {"run_id": run_id})
    for item in read(world, fetched["splits_key"]):
        invoke(world, "MergeAndClean", {"action": "clean", **item})
    return run_id


def wait_for_error(world: World, payload: dict) -> dict:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        answer = invoke(world, "TriggerGlueLoad", payload, fails=None)
        if "errorType" in answer:
            return answer
        assert not answer["finished"], answer
        time.sleep(0.5)
    raise AssertionError("the load neither ended nor failed")


def invoke(world: World, function: str, payload: dict, fails: bool | None = False) -> dict:
    client = world.stack.client("lambda")
    name = next(f["FunctionName"] for f in client.list_functions()["Functions"] if f"{function}Function" in f["FunctionName"])
    answer = client.invoke(FunctionName=name, Payload=json.dumps(payload))
    found = json.loads(answer["Payload"].read())
    assert fails is None or ("FunctionError" in answer) == fails, found
    return found


def body(world: World, key: str) -> bytes:
    return world.stack.client("s3").get_object(Bucket=world.session.deployment.bucket, Key=key)["Body"].read()


def read(world: World, key: str) -> dict:
    return json.loads(body(world, key))
