"""Every state in which Glue and the Data API can be, scripted in the gateway: what the execution makes of it."""

import json
from dataclasses import dataclass

import pytest
from faults.gateway import Gateway
from world import World


@dataclass(frozen=True)
class Case:
    """A script of faults, and how the execution ends: by the attempt at the load that succeeded, or by an error that says these words."""

    mode: str
    script: list[dict]
    attempt: int | None = None
    error: str | None = None
    words: tuple[str, ...] = ()


def run_ends(state: str, message: str | None = None, **more) -> dict:
    return {"operation": "StartJobRun", "do": "end_run", "state": state} | ({"message": message} if message else {}) | more


def refused(operation: str, code: str, **more) -> dict:
    return {"operation": operation, "do": "refuse", "code": code, "message": f"{code} as it is scripted", **more}


def fault(operation: str, do: str, **more) -> dict:
    return {"operation": operation, "do": do, **more}


CASES = {
    # Each of these three runs a real job in the end, which takes seconds; so they meet several faults one after the other.
    "glue-hard-to-reach": Case(
        "glue",
        [
            refused("GetJobRuns", "ThrottlingException"),
            fault("StartJobRun", "lose_reply"),
            fault("StartJobRun", "hold_run", state="WAITING", seconds=1),
            refused("GetJobRun", "ThrottlingException", times=2),
            refused("GetJobRun", "InternalServiceException", status=500),
            # The first DescribeStatement is about the target's columns, the second about the question for the ledger.
            fault("DescribeStatement", "forget", skip=1),
        ],
        attempt=1,
    ),
    "interrupted-twice": Case(
        "glue",
        [
            run_ends("ERROR", "internal service error"),
            run_ends("FAILED", "Command failed with exit code 137"),
            fault("StartJobRun", "hold_run", state="STOPPING", seconds=1),
        ],
        attempt=3,
    ),
    # It is there after all, and keeps the second attempt out until it has ended.
    "glue-run-gone": Case("glue", [refused("GetJobRun", "EntityNotFoundException")], attempt=1),
    "dies-always": Case(
        "glue", [run_ends("FAILED", "Command failed with exit code 137", times=9)], error="LoadFailed", words=("exit code 137", "3 attempts", "redrive")
    ),
    "failed": Case("glue", [run_ends("FAILED", "LoadFailed: fold: disk full")], error="LoadFailed", words=("fold: disk full", "the table is as it was")),
    "mismatch": Case("glue", [run_ends("FAILED", "LedgerMismatch: 3 is not 4")], error="LedgerMismatch", words=("3 is not 4",)),
    "no-secret": Case("glue", [run_ends("FAILED", "SecretMissing: the secret w cannot be read")], error="SecretMissing", words=("the secret w",)),
    "stopped": Case("glue", [run_ends("STOPPED")], error="LoadFailed", words=("STOPPED", "redrive the execution")),
    "timeout": Case("glue", [run_ends("TIMEOUT", "exceeded its timeout")], error="LoadFailed", words=("TIMEOUT", "raise the Timeout")),
    "expired": Case("glue", [run_ends("EXPIRED")], error="LoadFailed", words=("EXPIRED", "redrive the execution")),
    "says-it-succeeded": Case("glue", [run_ends("SUCCEEDED")], error="LedgerMismatch", words=("no row in crosstally.ledger",)),
    "start-denied": Case("glue", [refused("StartJobRun", "AccessDeniedException")], error="ConfigInvalid", words=("AccessDeniedException", "role")),
    "data-api-throttled": Case("direct", [refused("ExecuteStatement", "ThrottlingException", times=2)], attempt=1),
    "data-api-full": Case("direct", [refused("BatchExecuteStatement", "ActiveStatementsExceededException")], attempt=1),
    "data-api-breaks": Case("direct", [refused("DescribeStatement", "InternalServerException", status=500)], attempt=1),
    "data-api-denied": Case("direct", [refused("ExecuteStatement", "AccessDeniedException")], error="ConfigInvalid", words=("AccessDeniedException", "role")),
    "submit-lost": Case("direct", [fault("BatchExecuteStatement", "lose_reply")], attempt=1),
    "answer-lost": Case("direct", [fault("GetStatementResult", "lose_reply")], attempt=1),
    "picked": Case("direct", [fault("BatchExecuteStatement", "hold_statement", status="PICKED", seconds=1)], attempt=1),
    "batch-aborted": Case("direct", [fault("BatchExecuteStatement", "end_statement", status="ABORTED", error="Query cancelled")], attempt=2),
    "batch-conflict": Case("direct", [fault("BatchExecuteStatement", "end_statement", status="FAILED", error="ERROR: 1023")], attempt=2),
    "batch-failed": Case(
        "direct", [fault("BatchExecuteStatement", "end_statement", status="FAILED", error="ERROR: disk full")], error="LoadFailed", words=("disk full",)
    ),
    "question-failed": Case(
        "direct",
        [fault("ExecuteStatement", "end_statement", status="FAILED", error="ERROR: disk full", skip=1)],
        error="LoadFailed",
        words=("cannot be read", "disk full", "redrive the execution"),
    ),
    # The first DescribeStatement is about the target's columns, the second about the batch.
    "batch-gone": Case("direct", [fault("DescribeStatement", "forget", skip=2)], attempt=2),
}


@pytest.fixture(scope="module")
def loaded(world: World) -> World:
    world.empty_warehouse()
    world.seed()
    assert world.run().status == "SUCCEEDED"
    return world


@pytest.mark.parametrize("name", CASES)
def test_a_state_is_known(loaded: World, name: str) -> None:
    case, gateway = CASES[name], Gateway(loaded.stack.endpoints.gateway)
    loaded.configure(LOAD_MODE=case.mode)
    before, runs = loaded.tables(), _job_runs(loaded)
    gateway.script(*case.script)
    try:
        ended = loaded.run()
        fired = gateway.fired()
    finally:
        gateway.clear()

    assert all(fired), fired
    if case.error:
        assert (ended.status, ended.error["name"]) == ("FAILED", case.error), ended.error
        for word in case.words:
            assert word in ended.error["message"], ended.error
        assert len(ended.error["message"]) < 1000 and "\n" not in ended.error["message"]
        if "question" not in name:
            assert loaded.ledger(ended.name) is None
            assert loaded.tables() == before
    else:
        assert (ended.status, ended.error) == ("SUCCEEDED", None)
        output = json.loads(ended.output)
        assert (output["status"], output["load"]["mode"], output["load"]["attempt"]) == ("BALANCED", case.mode, case.attempt)
        assert loaded.query("SELECT count(*) FROM crosstally.ledger WHERE run_id = %s", ended.name) == [(1,)]
        if case.mode == "glue":
            assert _job_runs(loaded) - runs == case.attempt


def _job_runs(world: World) -> int:
    return len(world.stack.client("glue").get_job_runs(JobName=world.session.deployment.glue_job)["JobRuns"])
