"""Every JSONata expression of the state machine parses, and refers to nothing that Step Functions does not have there.

Facts: the developer guide's pages "Transforming data with JSONata" (JSONata 2.0.6 without `$eval`, six functions of its own, no context at the top)
and "Passing data with variables" (`$states`, scopes).
"""

from typing import Any

from gates import expressions, flow
from gates.expressions import Expression
from gates.findings import Finding
from gates.project import Project

_OWN_FUNCTIONS = {"partition", "range", "hash", "random", "uuid", "parse"}
_WITHOUT = {"eval"}
_HAVE_A_RESULT = {"Task", "Map", "Parallel"}


def check(project: Project) -> list[Finding]:
    return check_definition(project.definition)


def check_definition(definition: dict[str, Any]) -> list[Finding]:
    found = []
    pending: list[tuple[str, dict[str, Any], frozenset[str], list[Expression]]] = []
    known_in: dict[str, frozenset[str]] = {}
    for name, machine, inherits in flow.machines(definition):
        # A machine inside a state starts with what that state may rely on.
        at_start = known_in[_enclosing(name)] if inherits else frozenset()
        before = flow.assigned_before(machine, at_start)
        for state_name, state in machine["States"].items():
            known_in[name + state_name] = before.get(state_name, frozenset())
            pending.append((name + state_name, state, before.get(state_name, frozenset()), expressions.find(state)))
            found += [
                Finding("jsonata-marks", f"{name}{state_name}.{place}", "is taken as plain text: the text must start with {% and end with %}")
                for place in expressions.half_open(state)
            ]
    expressions.parse([one for *_, of_state in pending for one in of_state])
    for where, state, known, of_state in pending:
        for expression in of_state:
            found += [Finding(rule, f"{where}.{expression.place}", message) for rule, message in _faults(expression, state, known)]
    return found


def _enclosing(name: str) -> str:
    """`MapState/` lies in MapState, and `ParallelState/1/`, one of its branches, in ParallelState."""
    parts = name.rstrip("/").split("/")
    return "/".join(parts[:-1] if parts[-1].isdigit() else parts)


def _faults(one: Expression, state: dict[str, Any], known: frozenset[str]) -> list[tuple[str, str]]:
    if one.error:
        return [("jsonata-syntax", f"does not parse: {one.error}: {one.text}")]
    faults = []
    for name in sorted(one.variables - one.builtin - _OWN_FUNCTIONS - known):
        faults.append(("jsonata-variable", f"${name} is not assigned on every way to this state: assign it in a state before, on each way"))
    for name in sorted(one.calls | (one.variables & one.builtin)):
        if name in _WITHOUT:
            faults.append(("jsonata-function", f"${name} does not exist in Step Functions; use $parse"))
        elif name not in one.builtin | _OWN_FUNCTIONS | known:
            faults.append(("jsonata-function", f"there is no function ${name} in JSONata 2.0.6 or in Step Functions"))
    for part in sorted(one.states):
        fault = _states_fault(part, one.way, state)
        if fault:
            faults.append(("jsonata-states", fault))
    for name in sorted(one.rootless):
        faults.append(("jsonata-context", f"`{name}` reads a context that is empty at the top of an expression: start from $states or a variable"))
    return faults


def _states_fault(part: str, way: tuple[str | int, ...], state: dict[str, Any]) -> str | None:
    in_catch = way[0] == "Catch"
    if part in ("input", "context", ""):
        return None
    if part == "result":
        if state["Type"] in _HAVE_A_RESULT and way[0] in ("Assign", "Output"):
            return None
        return "$states.result is there only in the Assign and the Output of a Task, a Map or a Parallel"
    if part == "errorOutput":
        return None if in_catch and way[2] in ("Assign", "Output") else "$states.errorOutput is there only in the Assign and the Output of a Catch"
    return f"$states has no {part}: it has input, context, result and errorOutput"
