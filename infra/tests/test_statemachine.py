"""Guards statemachine.asl.json: the local emulator accepts definitions that AWS refuses, and ignores what it does not know."""

import json
import re
from pathlib import Path

import pytest
from gates import cloudformation

ROOT = Path(__file__).resolve().parents[2]

LAMBDA_SERVICE_ERRORS = {
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
}
JSONPATH_FIELDS = {"InputPath", "OutputPath", "ResultPath", "ResultSelector", "Parameters", "ItemsPath", "SecondsPath", "MaxConcurrencyPath"}
JSONATA_FIELDS = {"Arguments", "Output", "Assign", "Items"}


def read_text(path: str) -> str:
    file = ROOT / path
    assert file.is_file(), f"{path} is missing: this test compares the state machine with it"
    return file.read_text(encoding="utf-8")


DEFINITION_TEXT = read_text("statemachine.asl.json")
DEFINITION = json.loads(DEFINITION_TEXT)
TEMPLATE = cloudformation.read(ROOT / "template.yaml")
RESOURCES = TEMPLATE["Resources"]
SUBSTITUTIONS = RESOURCES["StateMachine"]["Properties"]["DefinitionSubstitutions"]


def machines(definition: dict = DEFINITION, name: str = "the run"):
    """The state machine and, one after another, the ones inside its Map and Parallel states."""
    yield name, definition
    for state_name, state in definition["States"].items():
        inner = [state["ItemProcessor"]] if "ItemProcessor" in state else state.get("Branches", [])
        for machine in inner:
            yield from machines(machine, state_name)


STATES = {name: state for _, machine in machines() for name, state in machine["States"].items()}
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}


def targets(state: dict) -> set[str]:
    nexts = [state, *state.get("Catch", []), *state.get("Choices", [])]
    return {step["Next"] for step in nexts if "Next" in step} | ({state["Default"]} if "Default" in state else set())


def function_of(task: dict) -> dict:
    """The template's function that a task calls."""
    placeholder = re.fullmatch(r"\$\{(\w+)\}", task["Arguments"]["FunctionName"])
    assert placeholder, f"FunctionName {task['Arguments']['FunctionName']} is not a placeholder"
    logical_id, _ = SUBSTITUTIONS[placeholder[1]]["Fn::GetAtt"]
    return RESOURCES[logical_id]


def error_names(path: str) -> set[str]:
    """What an error file can call an error: the variants of its enums, and its string literals that look like a name."""
    source = re.sub(r"^\s*//.*$", "", read_text(path), flags=re.MULTILINE)
    names = set(re.findall(r'"([A-Z][A-Za-z0-9]+)"', source))
    for body in re.findall(r"\benum\s+\w+[^{;]*\{(.*?)^\}", source, flags=re.MULTILINE | re.DOTALL):
        names |= set(re.findall(r"^\s*([A-Z][A-Za-z0-9]*)\s*(?=[({,]|$)", body, flags=re.MULTILINE))
    assert names, f"{path} names no error: has its shape changed?"
    return names


def own_error_names(task: dict) -> set[str]:
    retried = {name for retrier in task["Retry"] for name in retrier["ErrorEquals"]}
    return {name for name in retried if "." not in name}


def test_the_run_ends_by_itself():
    assert DEFINITION["TimeoutSeconds"] > 0


def test_everything_but_the_map_is_jsonata():
    """AWS refuses a state in JSONPath under a definition in JSONata, and fields of the one language in a state of the other."""
    assert "QueryLanguage" not in DEFINITION
    assert {name for name, state in STATES.items() if state["QueryLanguage"] == "JSONPath"} == {"MergeAndClean"}
    for name, state in STATES.items():
        if state["QueryLanguage"] == "JSONata":
            assert not JSONPATH_FIELDS & state.keys(), f"{name} uses fields of JSONPath"
            assert '.$"' not in json.dumps(state)
    map_state = {field: value for field, value in STATES["MergeAndClean"].items() if field != "ItemProcessor"}
    assert not JSONATA_FIELDS & map_state.keys()
    assert not [step for step in map_state["Catch"] if JSONATA_FIELDS & step.keys()]
    assert "{%" not in json.dumps(map_state)


def test_state_names_are_unique():
    """A name that occurs twice would hide one of the two from the tests below."""
    assert len(STATES) == sum(len(machine["States"]) for _, machine in machines())


@pytest.mark.parametrize("name", STATES)
def test_every_state_says_why_it_is_there(name):
    assert len(STATES[name].get("Comment", "")) > 40


@pytest.mark.parametrize(("name", "machine"), list(machines()))
def test_every_next_exists_and_every_state_is_reached(name, machine):
    states = machine["States"]
    reached, waiting = set(), [machine["StartAt"]]
    while waiting:
        state = waiting.pop()
        assert state in states, f"{name}: there is no state {state}"
        if state not in reached:
            reached.add(state)
            waiting.extend(targets(states[state]))
    assert reached == set(states), f"{name}: never reached"


@pytest.mark.parametrize("name", STATES)
def test_every_state_ends_or_goes_on(name):
    state = STATES[name]
    ends = state["Type"] in {"Succeed", "Fail"} or state.get("End") is True
    assert ends != bool(targets(state) - {step["Next"] for step in state.get("Catch", [])})


@pytest.mark.parametrize("name", TASKS)
def test_a_task_outlasts_its_function(name):
    """So that the function's own timeout speaks first, and the task's only if nobody else does."""
    task = TASKS[name]
    parameter = function_of(task)["Properties"]["Timeout"]["Ref"]
    assert task["TimeoutSeconds"] > TEMPLATE["Parameters"][parameter]["MaxValue"]


@pytest.mark.parametrize("name", TASKS)
def test_a_task_first_retries_lambdas_own_faults(name):
    first = TASKS[name]["Retry"][0]
    assert set(first["ErrorEquals"]) == LAMBDA_SERVICE_ERRORS
    assert (first["IntervalSeconds"], first["BackoffRate"], first["MaxAttempts"]) == (2, 2, 6)


@pytest.mark.parametrize("name", STATES)
def test_retries_are_named_spread_and_capped(name):
    for retrier in STATES[name].get("Retry", []):
        assert not [e for e in retrier["ErrorEquals"] if e.startswith("States.")], f"{name} retries blindly"
        assert retrier["JitterStrategy"] == "FULL"
        assert retrier["MaxDelaySeconds"] > retrier["IntervalSeconds"]


@pytest.mark.parametrize("name", TASKS)
def test_the_called_function_can_raise_what_the_task_retries(name):
    binary = function_of(TASKS[name])["Metadata"]["BuildProperties"]["Binary"]
    known = error_names(f"functions/{binary}/src/error.rs") | error_names("functions/cloud/src/error.rs")
    unknown = own_error_names(TASKS[name]) - known
    assert not unknown, f"{name} retries {sorted(unknown)}, which {binary} never raises"


def test_the_report_of_a_failed_split_is_not_retried_away():
    """It raises that split's error under its own name, which may be one that other tasks retry."""
    assert own_error_names(TASKS["ReportFailedSplit"]) == set()


def test_one_failed_split_fails_the_run():
    tolerances = {field for state in STATES.values() for field in state if field.startswith("Tolerated")}
    assert tolerances == set()
    caught = [error for state in STATES.values() for step in state.get("Catch", []) for error in step["ErrorEquals"]]
    assert caught == ["States.ExceedToleratedFailureThreshold"]


def test_the_splits_may_take_as_long_as_a_function():
    """Express children end after five minutes."""
    assert STATES["MergeAndClean"]["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}


def test_the_list_of_splits_passes_no_payload():
    """256 KiB would be some 2,500 splits: they come from S3, and neither they nor what they return is a state's input or output."""
    map_state = STATES["MergeAndClean"]
    assert map_state["ItemReader"] == {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSON"},
        "Parameters": {"Bucket": "${DataBucketName}", "Key.$": "$.key"},
    }
    assert map_state["ResultPath"] is None
    assert STATES["CleanSplit"]["Output"] == {}


def test_the_map_gets_what_it_reads_on_both_ways_into_it():
    into = {name for name, state in STATES.items() if "MergeAndClean" in targets(state)}
    assert into == {"WhatWasFetched", "ReportFailedSplit"}
    fetch = STATES["FetchTransactions"]
    assert fetch["Output"].keys() == {"key", "max_concurrency"}
    assert STATES["MergeAndClean"]["MaxConcurrencyPath"] == "$.max_concurrency"
    assert fetch["Assign"]["splits"] == fetch["Output"]
    assert "? $splits :" in STATES["ReportFailedSplit"]["Output"]


def test_the_splits_at_once_are_a_parameter():
    assert SUBSTITUTIONS["MergeConcurrency"] == {"Ref": "MergeConcurrency"}
    parameter = TEMPLATE["Parameters"]["MergeConcurrency"]
    assert 1 <= parameter["MinValue"] <= parameter["Default"] <= parameter["MaxValue"] <= 10_000  # the most that a Map Run does
    assert STATES["FetchTransactions"]["Output"]["max_concurrency"] == "{% $number('${MergeConcurrency}') %}"


def test_the_state_machine_may_read_the_list_of_splits():
    (policy,) = RESOURCES["StateMachineRole"]["Properties"]["Policies"]
    may = {(action, json.dumps(s["Resource"])) for s in policy["PolicyDocument"]["Statement"] for action in [s["Action"]] if isinstance(action, str)}
    assert ("s3:GetObject", '{"Fn::Sub": "${DataBucket.Arn}/runs/*/splits.json"}') in may
    key = RESOURCES["DataBucket"]["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    assert ("kms:Decrypt", json.dumps(key)) in may
    assert "runs/{self}/splits.json" in read_text("functions/pipeline/src/manifest.rs")


def test_every_placeholder_is_filled_and_every_filling_is_used():
    assert set(re.findall(r"\$\{(\w+)\}", DEFINITION_TEXT)) == set(SUBSTITUTIONS)
