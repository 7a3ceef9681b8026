"""Which variables a state may rely on: those that every way to it has assigned."""

from collections.abc import Iterator
from typing import Any

Machine = dict[str, Any]


def machines(machine: Machine, name: str = "", inherits: bool = False) -> Iterator[tuple[str, Machine, bool]]:
    """Every machine in a definition: the way to it (`MapState/`), itself, and whether it sees the variables of the state that it lies in."""
    yield name, machine, inherits
    for state_name, state in machine["States"].items():
        inner = [state[key] for key in ("ItemProcessor", "Iterator") if key in state] + state.get("Branches", [])
        for number, below in enumerate(inner):
            # The children of a Distributed Map are executions of their own.
            distributed = below.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
            yield from machines(below, f"{name}{state_name}/" + (f"{number}/" if len(inner) > 1 else ""), not distributed)


def assigned_before(machine: Machine, at_start: frozenset[str]) -> dict[str, frozenset[str]]:
    """State → the variables that are assigned on every way to it. A state that is never reached is not in it."""
    before: dict[str, frozenset[str]] = {machine["StartAt"]: at_start}
    waiting = [machine["StartAt"]]
    while waiting:
        name = waiting.pop()
        for target, assigned in _ways(machine["States"][name]):
            arriving = before[name] | assigned
            known = before.get(target)
            merged = arriving if known is None else known & arriving
            if target in machine["States"] and merged != known:
                before[target] = merged
                waiting.append(target)
    return before


def _ways(state: dict[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    """Where a state leads and what it assigns on that way: a Catch and a Choice's rule assign their own, not the state's."""
    own = frozenset(state.get("Assign", {}))
    if "Next" in state:
        yield state["Next"], own
    if "Default" in state:
        yield state["Default"], own
    for step in [*state.get("Catch", []), *state.get("Choices", [])]:
        if "Next" in step:
            yield step["Next"], frozenset(step.get("Assign", {}))
