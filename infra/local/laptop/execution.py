"""One execution of the state machine: started, followed through its history, and what it ended with."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from laptop.stack import Servers

_POLL_SECONDS = 0.2


@dataclass
class State:
    """The time spent in one state, over all visits: a waiting loop passes through its states many times."""

    name: str
    visits: int = 0
    seconds: float = 0.0
    since: datetime | None = None

    def seconds_at(self, now: datetime) -> float:
        return self.seconds + ((now - self.since).total_seconds() if self.since else 0.0)


@dataclass
class Execution:
    arn: str
    name: str
    status: str = "RUNNING"
    states: dict[str, State] = field(default_factory=dict)
    error: dict[str, str] | None = None
    output: str | None = None
    duration: float = 0.0  # seconds from its start to its end
    transitions: int = 0

    @property
    def seconds(self) -> dict[str, float]:
        return {state.name: round(state.seconds, 3) for state in self.states.values()}


def start(stack: Servers, state_machine: str, name: str, text: str = "{}") -> Execution:
    answer = stack.client("stepfunctions").start_execution(stateMachineArn=state_machine, name=name, input=text)
    return Execution(answer["executionArn"], name)


def follow(stack: Servers, execution: Execution, show: Callable[[Execution], None] | None = None) -> None:
    """Returns when it has ended; `show` is called after every look at it. Without it the history is read once, at the end."""
    client = stack.client("stepfunctions")
    seen = 0
    while execution.status == "RUNNING":
        stack.check()
        description = client.describe_execution(executionArn=execution.arn)
        if show or description["status"] != "RUNNING":
            events = _history(client, execution.arn)
            for event in events[seen:]:
                _count(execution, event)
            seen = len(events)
        # Asked before the history, so that the last look sees every event.
        execution.status = description["status"]
        if execution.status == "RUNNING":
            if show:
                show(execution)
            time.sleep(_POLL_SECONDS)
    for state in execution.states.values():
        # The state that failed was never left.
        state.seconds, state.since = state.seconds_at(events[-1]["timestamp"]), None
    execution.output = description.get("output")
    execution.duration = round((description["stopDate"] - description["startDate"]).total_seconds(), 3)
    execution.transitions = transitions(events) + sum(transitions(_history(client, child)) for child in _children(client, execution.arn))
    if execution.status != "SUCCEEDED":
        execution.error = error_of(description.get("error") or execution.status, description.get("cause") or "")
    if show:
        show(execution)


def transitions(history: Iterable[dict]) -> int:
    """What Step Functions bills: a state that is entered, and a retry of a task. Source: AWS Step Functions pricing, Standard Workflows.

    Of a Map's child the emulator (ministack 1.5.33) notes only the tries of its tasks, so the first try stands for the entry there.
    """
    count, is_just_entered = 0, False
    for event in history:
        if event["type"].endswith("StateEntered"):
            count, is_just_entered = count + 1, True
        elif event["type"] == "TaskScheduled":
            count, is_just_entered = count + (not is_just_entered), False
    return count


def error_of(name: str, cause: str) -> dict[str, str]:
    """A function's error comes as JSON in the cause, under the name that its code gave it."""
    try:
        payload = json.loads(cause)
    except ValueError:
        payload = None
    if isinstance(payload, dict) and "errorMessage" in payload:
        return {"name": payload.get("errorType") or name, "message": payload["errorMessage"]}
    return {"name": name, "message": cause}


def _history(client, arn: str) -> list[dict]:
    pages = client.get_paginator("get_execution_history").paginate(executionArn=arn, includeExecutionData=False, PaginationConfig={"PageSize": 1000})
    return [event for page in pages for event in page["events"]]


def _children(client, arn: str) -> list[str]:
    """The executions that the items of its Distributed Maps are."""
    runs = [run["mapRunArn"] for page in client.get_paginator("list_map_runs").paginate(executionArn=arn) for run in page["mapRuns"]]
    pages = (page for run in runs for page in client.get_paginator("list_executions").paginate(mapRunArn=run))
    return [child["executionArn"] for page in pages for child in page["executions"]]


def _count(execution: Execution, event: dict) -> None:
    if entered := event.get("stateEnteredEventDetails"):
        state = execution.states.setdefault(entered["name"], State(entered["name"]))
        state.visits += 1
        state.since = event["timestamp"]
    elif left := event.get("stateExitedEventDetails"):
        state = execution.states[left["name"]]
        state.seconds, state.since = state.seconds_at(event["timestamp"]), None
