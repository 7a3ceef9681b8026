"""Scripted faults: each shows its caller what the real service would, and nothing more happens than was asked for."""

import contextlib
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from laptop.stack import Stack
from world import DataApi

FINAL = {"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED"}
BUCKET = "fault-tests"


class Gateway:
    """The control door, and clients that do not try again by themselves."""

    def __init__(self, stack: Stack) -> None:
        self.url = stack.endpoints.gateway

    def ask(self, method: str, path: str, content: object = None) -> tuple[int, object]:
        body = content if isinstance(content, bytes) or content is None else json.dumps(content).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, method=method, data=body), timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def script(self, *entries: dict) -> None:
        status, answer = self.ask("PUT", "/faults", list(entries))
        assert status == 200, answer

    def fired(self) -> list[int]:
        return [entry["fired"] for entry in self.ask("GET", "/faults")[1]]

    def calls(self, call: str) -> int:
        return self.ask("GET", "/calls")[1].get(call, 0)

    def client(self, service: str):
        once = Config(retries={"total_max_attempts": 1})
        return boto3.client(service, endpoint_url=self.url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test", config=once)


@pytest.fixture
def gateway(stack: Stack) -> Iterator[Gateway]:
    gateway = Gateway(stack)
    yield gateway
    gateway.ask("DELETE", "/faults")


@pytest.fixture
def api(gateway: Gateway, data_api: DataApi) -> DataApi:
    return DataApi(gateway.client("redshift-data"), data_api.login)


@pytest.fixture
def glue(gateway: Gateway):
    return gateway.client("glue")


@pytest.fixture
def table(data_api: DataApi) -> Iterator[str]:
    name = f"faults_{uuid.uuid4().hex[:8]}"
    assert data_api.run(f"CREATE TABLE {name} (id INTEGER)")["Status"] == "FINISHED"
    yield name
    data_api.run(f"DROP TABLE {name}")


@pytest.fixture(scope="module")
def bucket(stack: Stack) -> str:
    stack.client("s3").create_bucket(Bucket=BUCKET)
    return BUCKET


@pytest.fixture
def job(stack: Stack, bucket: str):
    """Makes a job whose script is the given text, which may use `put(name, text)`; returns its name."""

    def make(script: str = "put('ran', 'yes')") -> str:
        name = f"job-{uuid.uuid4().hex[:8]}"
        put = f"import boto3\ndef put(name, text): boto3.client('s3').put_object(Bucket='{bucket}', Key='{name}/' + name, Body=text)\n"
        stack.client("s3").put_object(Bucket=bucket, Key=f"scripts/{name}.py", Body=(put + script).encode())
        command = {"Name": "glueetl", "ScriptLocation": f"s3://{bucket}/scripts/{name}.py"}
        stack.client("glue").create_job(Name=name, Role="arn:aws:iam::000000000000:role/glue", Command=command, GlueVersion="5.1")
        return name

    return make


@pytest.fixture
def left_by(stack: Stack, bucket: str):
    """What a job's script has put."""

    def read(job: str, name: str) -> str | None:
        with contextlib.suppress(ClientError):
            return stack.client("s3").get_object(Bucket=bucket, Key=f"{job}/{name}")["Body"].read().decode()
        return None

    return read


def run_of(glue, job: str, run: str, until: set[str] = FINAL) -> tuple[dict, list[str]]:
    """The run when it has come to one of these states, and the states on the way."""
    seen, deadline = [], time.monotonic() + 60
    while time.monotonic() < deadline:
        described = glue.get_job_run(JobName=job, RunId=run)["JobRun"]
        if described["JobRunState"] not in seen[-1:]:
            seen.append(described["JobRunState"])
        if described["JobRunState"] in until:
            return described, seen
        time.sleep(0.02)
    raise AssertionError(f"{run} is still {described['JobRunState']}")


def code_of(call, **arguments) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_refused_call_is_not_carried_out(gateway: Gateway, api: DataApi, table: str) -> None:
    refuse = {"operation": "ExecuteStatement", "do": "refuse", "code": "ThrottlingException", "message": "Rate exceeded", "status": 429}
    gateway.script(refuse | {"times": 2, "skip": 1})
    insert = {"Sql": f"INSERT INTO {table} VALUES (1)", **api.login}
    api.wait(api.client.execute_statement(**insert)["Id"])
    for _ in range(2):
        assert code_of(api.client.execute_statement, **insert) == ("ThrottlingException", "Rate exceeded", 429)
    assert gateway.fired() == [2]
    assert api.rows(f"SELECT COUNT(*) FROM {table}") == [[{"longValue": 1}]]


def test_a_call_with_a_lost_reply_is_carried_out(gateway: Gateway, api: DataApi, table: str) -> None:
    gateway.script({"operation": "ExecuteStatement", "do": "lose_reply"})
    insert = {"Sql": f"INSERT INTO {table} VALUES (1)", "ClientToken": uuid.uuid4().hex, **api.login}
    with pytest.raises(ConnectionClosedError):
        api.client.execute_statement(**insert)
    api.wait(api.client.execute_statement(**insert)["Id"])  # the same statement, by its token
    assert api.rows(f"SELECT COUNT(*) FROM {table}") == [[{"longValue": 1}]]


def test_a_run_whose_start_was_not_answered_runs(gateway: Gateway, glue, job, left_by) -> None:
    gateway.script({"operation": "StartJobRun", "do": "lose_reply"}, {"operation": "StartJobRun", "do": "end_run", "state": "FAILED", "after": 0.5})
    name, before = job(), gateway.calls("AWSGlue.StartJobRun")
    with pytest.raises(ConnectionClosedError):
        glue.start_job_run(JobName=name)
    assert code_of(glue.start_job_run, JobName=name)[0] == "ConcurrentRunsExceededException"
    (run,) = glue.get_job_runs(JobName=name)["JobRuns"]
    assert run_of(glue, name, run["Id"])[0]["JobRunState"] == "FAILED"
    assert gateway.calls("AWSGlue.StartJobRun") - before == 2
    assert gateway.fired() == [1, 1]  # one of the connection and one of the run met in one call


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_run_ends_as_scripted_without_running(gateway: Gateway, glue, job, left_by, state: str) -> None:
    gateway.script({"operation": "StartJobRun", "do": "end_run", "state": state, "message": "as scripted", "after": 0.3})
    name = job()
    described, seen = run_of(glue, name, glue.start_job_run(JobName=name)["JobRunId"])
    assert (described["JobRunState"], described["ErrorMessage"]) == (state, "as scripted")
    assert set(seen) <= {"STARTING", "RUNNING", state}
    assert (described["CompletedOn"] - described["StartedOn"]).total_seconds() >= 0.3
    assert left_by(name, "ran") is None


@pytest.mark.parametrize("state", ["WAITING", "STARTING", "STOPPING"])
def test_a_held_run_counts_as_live_and_then_runs_for_real(gateway: Gateway, glue, job, left_by, state: str) -> None:
    gateway.script({"operation": "StartJobRun", "do": "hold_run", "state": state, "seconds": 1})
    name = job()
    run = glue.start_job_run(JobName=name)["JobRunId"]
    assert glue.get_job_run(JobName=name, RunId=run)["JobRun"]["JobRunState"] == state
    assert code_of(glue.start_job_run, JobName=name)[0] == "ConcurrentRunsExceededException"
    assert left_by(name, "ran") is None
    described, seen = run_of(glue, name, run)
    assert seen[0] == state and described["JobRunState"] == "SUCCEEDED"
    assert (described["CompletedOn"] - described["StartedOn"]).total_seconds() >= 1
    assert left_by(name, "ran") == "yes"


@pytest.mark.parametrize(
    "fault", [{"do": "hold_run", "state": "WAITING", "seconds": 60}, {"do": "end_run", "state": "FAILED", "after": 60}], ids=lambda fault: fault["do"]
)
def test_a_scripted_run_can_be_stopped(gateway: Gateway, glue, job, left_by, fault: dict) -> None:
    gateway.script({"operation": "StartJobRun"} | fault)
    name = job()
    run = glue.start_job_run(JobName=name)["JobRunId"]
    glue.batch_stop_job_run(JobName=name, JobRunIds=[run])
    assert run_of(glue, name, run)[0]["JobRunState"] == "STOPPED"
    assert left_by(name, "ran") is None


@pytest.mark.parametrize("status", ["FAILED", "ABORTED"])
@pytest.mark.parametrize("batch", [False, True], ids=["statement", "batch"])
def test_a_statement_ends_as_scripted_without_running(gateway: Gateway, api: DataApi, table: str, batch: bool, status: str) -> None:
    operation = "BatchExecuteStatement" if batch else "ExecuteStatement"
    gateway.script({"operation": operation, "do": "end_statement", "status": status, "error": "ERROR: as scripted"})
    insert = f"INSERT INTO {table} VALUES (1)"
    described = api.run([insert, insert] if batch else insert)
    assert (described["Status"], described["Error"], described["HasResultSet"]) == (status, "ERROR: as scripted", False)
    assert [sub["Status"] for sub in described.get("SubStatements", [])] == ([status, "ABORTED"] if batch else [])
    assert api.rows(f"SELECT COUNT(*) FROM {table}") == [[{"longValue": 0}]]
    assert api.run([insert] if batch else insert)["Status"] == "FINISHED"  # it was for one


@pytest.mark.parametrize("status", ["SUBMITTED", "PICKED", "STARTED"])
@pytest.mark.parametrize("batch", [False, True], ids=["statement", "batch"])
def test_a_held_statement_runs_for_real_in_the_end(gateway: Gateway, api: DataApi, table: str, batch: bool, status: str) -> None:
    operation = "BatchExecuteStatement" if batch else "ExecuteStatement"
    gateway.script(
        {"operation": operation, "do": "hold_statement", "status": status, "seconds": 3}
    )  # long enough to look at the table meanwhile, on a busy machine
    insert = f"INSERT INTO {table} VALUES (1)"
    identity = api.submit([insert, insert] if batch else insert)
    time.sleep(0.2)
    assert api.client.describe_statement(Id=identity)["Status"] == status
    assert api.rows(f"SELECT COUNT(*) FROM {table}") == [[{"longValue": 0}]]
    assert api.wait(identity)["Status"] == "FINISHED"
    assert api.rows(f"SELECT COUNT(*) FROM {table}") == [[{"longValue": 2 if batch else 1}]]


def test_a_held_statement_can_be_cancelled(gateway: Gateway, api: DataApi, table: str) -> None:
    gateway.script({"operation": "ExecuteStatement", "do": "hold_statement", "status": "PICKED", "seconds": 60})
    identity = api.submit(f"INSERT INTO {table} VALUES (1)")
    assert api.client.cancel_statement(Id=identity)["Status"] is True
    assert api.wait(identity)["Status"] == "ABORTED"
    assert api.rows(f"SELECT COUNT(*) FROM {table}") == [[{"longValue": 0}]]


@pytest.mark.parametrize("operation", ["DescribeStatement", "GetStatementResult"])
def test_a_forgotten_statement_is_gone_for_every_call(gateway: Gateway, api: DataApi, operation: str) -> None:
    token = uuid.uuid4().hex
    identity, other = api.submit("SELECT 1", ClientToken=token), api.submit("SELECT 2")
    for each in (identity, other):
        api.wait(each)
    gateway.script({"operation": operation, "do": "forget", "skip": 1})
    calls = {"DescribeStatement": api.client.describe_statement, "GetStatementResult": api.client.get_statement_result}
    calls[operation](Id=identity)
    for call in (calls[operation], *calls.values(), api.client.cancel_statement):
        assert code_of(call, Id=identity)[0] == "ResourceNotFoundException"
    assert api.wait(other)["Status"] == "FINISHED"
    assert api.submit("SELECT 1", ClientToken=token) != identity


def test_a_killed_run_fails_with_all_its_processes(gateway: Gateway, glue, job, left_by) -> None:
    name = job("import os, subprocess, time\nchild = subprocess.Popen(['sleep', '300'])\nput('pids', f'{os.getpid()} {child.pid}')\ntime.sleep(300)")
    run = glue.start_job_run(JobName=name)["JobRunId"]
    deadline = time.monotonic() + 60
    while (pids := left_by(name, "pids")) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert gateway.ask("POST", f"/runs/{run}/kill") == (200, {"JobRunId": run})
    described, _ = run_of(glue, name, run)
    assert (described["JobRunState"], described["ErrorMessage"]) == ("FAILED", "Command failed with exit code 137")
    assert [pid for pid in pids.split() if is_alive(pid)] == []
    assert gateway.ask("POST", f"/runs/{run}/kill")[0] == 409
    assert gateway.ask("POST", "/runs/jr_0/kill")[0] == 404


def is_alive(pid: str) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"
    return False


def test_the_first_entry_that_is_due_fires(gateway: Gateway, api: DataApi) -> None:
    def refuse(code: str, **counts: int) -> dict:
        return {"operation": "DescribeStatement", "do": "refuse", "code": code, **counts}

    gateway.script(refuse("A", skip=1), refuse("B", times=2), {"operation": "CancelStatement", "do": "refuse", "code": "C"})
    codes = [code_of(api.client.describe_statement, Id=str(uuid.uuid4()))[0] for _ in range(5)]
    assert codes == ["B", "A", "B", "ResourceNotFoundException", "ResourceNotFoundException"]
    assert gateway.fired() == [1, 2, 0]


def test_a_script_is_shown_replaced_and_emptied(gateway: Gateway) -> None:
    entry = {"operation": "GetJobRun", "do": "refuse", "code": "X"}
    shown = entry | {"message": "", "status": 400, "times": 1, "skip": 0, "fired": 0}
    assert gateway.ask("PUT", "/faults", [entry, entry | {"do": "lose_reply", "times": 3}])[0] == 400  # lose_reply has no code
    assert gateway.ask("GET", "/faults") == (200, [])
    assert gateway.ask("PUT", "/faults", [entry]) == (200, [shown])
    assert gateway.ask("GET", "/faults") == (200, [shown])
    assert gateway.ask("DELETE", "/faults") == (200, [])
    assert gateway.ask("GET", "/faults") == (200, [])
    assert gateway.ask("POST", "/faults", [])[0] == 405


RUN = {"operation": "StartJobRun", "do": "end_run", "state": "FAILED"}


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (b"[{", "The script is no JSON"),
        ({}, "A script of faults is a JSON list."),
        ([RUN, "x"], "Entry 2 of the script: it is a JSON object."),
        ([RUN | {"operation": "CreateJob"}], "the operation 'CreateJob' is none of"),
        ([RUN | {"operation": ["StartJobRun"]}], "the operation ['StartJobRun'] is none of"),
        ([RUN | {"do": ["refuse"]}], "do ['refuse'] is none of"),
        ([RUN | {"do": "explode"}], "do 'explode' is none of refuse, lose_reply,"),
        ([RUN | {"operation": "GetJobRun"}], "end_run is for StartJobRun, not for GetJobRun."),
        ([RUN | {"state": "RUNNING"}], "state is one of FAILED,"),
        ([RUN | {"state": ["FAILED"]}], "state is one of FAILED,"),
        ([RUN | {"seconds": 1}], "end_run has no field seconds; its fields are state, message, after, times, skip."),
        ([RUN | {"after": -1}], "after is a number of seconds from 0, not -1."),
        ([RUN | {"after": True}], "after is a number of seconds from 0, not true."),
        ([RUN | {"times": 0}], "times is a whole number from 1, not 0."),
        ([RUN | {"skip": 1.5}], "skip is a whole number from 0, not 1.5."),
        ([{"operation": "StartJobRun", "do": "hold_run", "state": "WAITING"}], "hold_run needs seconds, a number of seconds from 0."),
        ([{"operation": "GetJobRun", "do": "refuse"}], "refuse needs code, a text."),
        ([{"operation": "GetJobRun", "do": "refuse", "code": "X", "status": 200}], "status is a whole number from 400, not 200."),
        ([{"operation": "ExecuteStatement", "do": "end_statement", "status": "FINISHED", "error": ""}], "status is one of FAILED, ABORTED"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_script_with_a_mistake_is_refused_as_a_whole(gateway: Gateway, script: object, sentence: str) -> None:
    gateway.script(RUN)
    status, answer = gateway.ask("PUT", "/faults", script)
    assert status == 400
    assert sentence in answer["message"]
    assert [entry["do"] for entry in gateway.ask("GET", "/faults")[1]] == ["end_run"]  # the one before stays


def test_calls_are_counted_by_operation(gateway: Gateway, api: DataApi, glue) -> None:
    names = ("RedshiftData.DescribeStatement", "RedshiftData.CancelStatement", "AWSGlue.GetJobRun")
    before = [gateway.calls(name) for name in names]
    gateway.script({"operation": "DescribeStatement", "do": "refuse", "code": "X"})
    for _ in range(2):
        code_of(api.client.describe_statement, Id=str(uuid.uuid4()))
    code_of(glue.get_job_run, JobName="x", RunId="y")
    glue.get_jobs()  # is passed on, and not ours to count
    assert [gateway.calls(name) - count for name, count in zip(names, before, strict=True)] == [2, 0, 1]
    assert "AWSGlue.GetJobs" not in gateway.ask("GET", "/calls")[1]
