"""Job runs: the script that S3 holds, under Spark, with Glue's states, limits and error messages."""

import subprocess
import time
import uuid

import pytest
from botocore.exceptions import ClientError
from laptop.gateway import spark
from laptop.stack import Stack

BUCKET = "glue-tests"
FINAL = {"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR"}


@pytest.fixture(scope="module")
def bucket(stack: Stack) -> str:
    stack.client("s3").create_bucket(Bucket=BUCKET)
    return BUCKET


@pytest.fixture
def job(stack: Stack, bucket: str):
    """Makes a job whose script is the given text; returns its name."""

    def make(script: str, runs: int = 1, **defaults: str) -> str:
        name = f"job-{uuid.uuid4().hex[:8]}"
        stack.client("s3").put_object(Bucket=bucket, Key=f"scripts/{name}.py", Body=script.encode())
        stack.client("glue").create_job(
            Name=name,
            Role="arn:aws:iam::000000000000:role/glue",
            Command={"Name": "glueetl", "PythonVersion": "3", "ScriptLocation": f"s3://{bucket}/scripts/{name}.py"},
            GlueVersion="5.1",
            DefaultArguments={f"--{key}": value for key, value in defaults.items()},
            ExecutionProperty={"MaxConcurrentRuns": runs},
        )
        return name

    return make


def start(stack: Stack, job: str, **arguments: str) -> str:
    return stack.client("glue").start_job_run(JobName=job, Arguments={f"--{key}": value for key, value in arguments.items()})["JobRunId"]


def wait(stack: Stack, job: str, run: str, until: set[str] = FINAL) -> dict:
    deadline = time.monotonic() + 240  # of a JVM, beside whatever else the machine does
    while time.monotonic() < deadline:
        description = stack.client("glue").get_job_run(JobName=job, RunId=run)["JobRun"]
        if description["JobRunState"] in until:
            return description
        time.sleep(0.1)
    raise AssertionError(f"{run} is still {description['JobRunState']}")


def test_a_script_has_spark_s3_the_jdbc_driver_and_its_arguments(stack: Stack, bucket: str, job) -> None:
    stack.client("s3").put_object(Bucket=bucket, Key="runs/r1/rows/part-1.csv", Body=b"id\n1\n2\n3\n")
    stack.client("s3").put_object(Bucket=bucket, Key="runs/r1/manifest.json", Body=b"{}")
    name = job(
        """
import json, sys
import boto3
from pyspark.sql import SparkSession
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
spark = SparkSession.builder.getOrCreate()
jvm = spark._jvm
assert spark.version == "3.5.6"
assert jvm.System.getProperty("java.specification.version") == "17"
assert jvm.java.util.TimeZone.getDefault().getID() == "UTC"
drivers = [d.getClass().getName() for d in jvm.java.util.Collections.list(jvm.java.sql.DriverManager.getDrivers())]
assert "org.postgresql.Driver" in drivers, drivers
folder = arguments["--manifest"].rpartition("/")[0]
rows = spark.read.csv(folder + "/rows", header=True).count()
boto3.client("s3").put_object(Bucket="glue-tests", Key="out.json", Body=json.dumps(arguments | {"rows": rows}))
""",
        kept="default",
        overridden="default",
    )
    run = start(stack, name, overridden="run", manifest=f"s3://{bucket}/runs/r1/manifest.json")
    description = wait(stack, name, run)
    assert description["JobRunState"] == "SUCCEEDED", description
    assert description["Arguments"]["--overridden"] == "run"
    out = stack.client("s3").get_object(Bucket=bucket, Key="out.json")["Body"].read().decode()
    for part in ('"rows": 3', '"--kept": "default"', '"--overridden": "run"', f'"--JOB_NAME": "{name}"', f'"--JOB_RUN_ID": "{run}"'):
        assert part in out


def test_a_run_has_a_jvm_of_its_own_that_begins_with_the_archived_classes(stack: Stack, bucket: str, job) -> None:
    name = job("""
import os, boto3
from pyspark.sql import SparkSession
jvm = SparkSession.builder.getOrCreate()._jvm
process = jvm.java.lang.ProcessHandle.current()
options = " ".join(jvm.java.lang.management.ManagementFactory.getRuntimeMXBean().getInputArguments())
maps = f"/proc/{process.pid()}/maps"
mapped = open(maps).read() if os.path.exists(maps) else options  # only Linux tells
boto3.client("s3").put_object(Bucket="glue-tests", Key="jvm.txt", Body=f"{process.pid()} {os.getpgid(process.pid()) == os.getpid()}\\n{options}\\n{mapped}")
""")
    pids, archive = set(), str(spark._archive())
    for _ in range(2):
        assert wait(stack, name, start(stack, name))["JobRunState"] == "SUCCEEDED"
        told = stack.client("s3").get_object(Bucket=bucket, Key="jvm.txt")["Body"].read().decode()
        ids, options, mapped = told.split("\n", 2)
        pid, is_in_the_group_of_the_script = ids.split()
        assert is_in_the_group_of_the_script == "True"
        assert f"-XX:SharedArchiveFile={archive}" in options
        assert archive in mapped
        pids.add(pid)
    assert len(pids) == 2


def test_a_run_does_without_an_archive(stack: Stack, job, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """As in a checkout where no test has run."""
    monkeypatch.setattr(spark, "_ARCHIVES", tmp_path / "none")
    for name, value in stack.aws_environment().items():
        monkeypatch.setenv(name, value)
    script = stack.client("glue").get_job(JobName=job("import sys; from pyspark.sql import SparkSession; SparkSession.builder.getOrCreate()"))["Job"]
    command, environment = spark.prepare(tmp_path, script["Command"]["ScriptLocation"], {})
    assert "SharedArchiveFile" not in (tmp_path / "spark.conf").read_text()
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("class LoadFailed(Exception): pass\nraise LoadFailed('fold: no such column\\nat line 3')", "LoadFailed: fold: no such column\nat line 3"),
        ("raise KeyError", "KeyError"),
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ("import os\nos._exit(7)", "Command failed with exit code 7"),
        ("def broken(:", "SyntaxError: invalid syntax"),
    ],
    ids=["exception", "bare", "exit", "killed", "syntax"],
)  # fmt: skip
def test_a_failing_script_fails_the_run_with_its_words(stack: Stack, job, script: str, message: str) -> None:
    name = job(script)
    description = wait(stack, name, start(stack, name))
    assert description["JobRunState"] == "FAILED"
    assert description["ErrorMessage"].startswith(message)
    assert description["CompletedOn"] >= description["StartedOn"]


def test_a_script_that_ends_with_zero_succeeds(stack: Stack, job) -> None:
    name = job("import sys\nsys.exit(0)")
    description = wait(stack, name, start(stack, name))
    assert (description["JobRunState"], description.get("ErrorMessage")) == ("SUCCEEDED", None)


def test_no_more_runs_at_once_than_the_job_allows(stack: Stack, job) -> None:
    name = job("import time\ntime.sleep(60)")
    run = start(stack, name)
    with pytest.raises(ClientError) as caught:
        start(stack, name)
    assert caught.value.response["Error"]["Code"] == "ConcurrentRunsExceededException"
    wait(stack, name, run, {"RUNNING"})

    glue = stack.client("glue")
    stopped = glue.batch_stop_job_run(JobName=name, JobRunIds=[run, "jr_unknown"])
    assert [entry["JobRunId"] for entry in stopped["SuccessfulSubmissions"]] == [run]
    assert stopped["Errors"][0]["ErrorDetail"]["ErrorCode"] == "EntityNotFoundException"
    assert wait(stack, name, run)["JobRunState"] == "STOPPED"
    assert [entry["Id"] for entry in glue.get_job_runs(JobName=name)["JobRuns"]] == [run]

    again = start(stack, name)  # its place is free again
    glue.batch_stop_job_run(JobName=name, JobRunIds=[again])
    assert wait(stack, name, again)["JobRunState"] == "STOPPED"


def test_a_script_that_is_not_there_fails_the_run(stack: Stack, bucket: str, job) -> None:
    name = job("")
    stack.client("s3").delete_object(Bucket=bucket, Key=f"scripts/{name}.py")
    description = wait(stack, name, start(stack, name))
    assert description["JobRunState"] == "FAILED"
    assert "LAUNCH ERROR" in description["ErrorMessage"]


def test_unknown_jobs_and_runs(stack: Stack, job) -> None:
    for call, arguments in (("start_job_run", {}), ("get_job_run", {"RunId": "jr_0"}), ("get_job_runs", {})):
        with pytest.raises(ClientError) as caught:
            getattr(stack.client("glue"), call)(JobName="no-such-job", **arguments)
        assert caught.value.response["Error"]["Code"] == "EntityNotFoundException"


def test_the_rest_of_glue_is_passed_on(stack: Stack) -> None:
    glue = stack.client("glue")
    name = f"connection-{uuid.uuid4().hex[:8]}"
    glue.create_connection(ConnectionInput={"Name": name, "ConnectionType": "JDBC", "ConnectionProperties": {"JDBC_CONNECTION_URL": "jdbc:x"}})
    assert glue.get_connection(Name=name)["Connection"]["ConnectionProperties"]["JDBC_CONNECTION_URL"] == "jdbc:x"
    with pytest.raises(ClientError) as caught:
        glue.get_connection(Name="no-such-connection")
    assert caught.value.response["Error"]["Code"] == "EntityNotFoundException"
