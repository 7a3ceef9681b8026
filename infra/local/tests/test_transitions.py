"""State transitions, counted as Step Functions bills them."""

import pytest
from laptop.execution import transitions


def history(*types: str) -> list[dict]:
    return [{"type": kind} for kind in types]


ENTERED, TRIED, FAILED = "TaskStateEntered", "TaskScheduled", "TaskFailed"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (history(), 0),
        (history("ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"), 1),
        (history(ENTERED, TRIED, "TaskSucceeded", "TaskStateExited", "WaitStateEntered", "ChoiceStateEntered", "SucceedStateEntered"), 4),
        (history(ENTERED, TRIED, FAILED, TRIED, FAILED, TRIED, "TaskSucceeded", ENTERED, TRIED), 4),
        (history(ENTERED, ENTERED, TRIED, "MapStateEntered", "MapRunStarted"), 3),
        (history(TRIED, FAILED, TRIED, "TaskSucceeded"), 2),
    ],
)
def test_transitions_are_counted_as_they_are_billed(events: list[dict], expected: int) -> None:
    assert transitions(events) == expected
