"""Finds the JSONata in a definition, and what each expression refers to."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from laptop.paths import LINT_NPM

_PARSER = Path(__file__).with_name("parse.mjs")
# Fields of a state that hold other states; theirs are found there.
_MACHINES = {"ItemProcessor", "Iterator", "Branches"}


@dataclass
class Expression:
    """One `{% ... %}`, by the way to it from its state: ("Output",), ("Catch", 0, "Assign", "x")."""

    way: tuple[str | int, ...]
    text: str
    error: str | None = None
    builtin: set[str] = field(default_factory=set)
    # Variables that the expression takes from outside itself, `states` aside; those that it calls; and the fields of `$states` that it reads.
    variables: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    states: set[str] = field(default_factory=set)
    # Things that lead to the top of JSONata's input, which Step Functions leaves empty.
    rootless: set[str] = field(default_factory=set)

    @property
    def place(self) -> str:
        return ".".join(map(str, self.way))


def find(state: dict[str, Any]) -> list[Expression]:
    """The expressions of one state, not of the states inside it, unparsed."""
    own = {name: value for name, value in state.items() if name not in _MACHINES}
    return [Expression(way, text[2:-2].strip()) for way, text in _texts(own, ()) if text.startswith("{%") and text.endswith("%}")]


def half_open(state: dict[str, Any]) -> list[str]:
    """Texts with only one of the two marks, or with something around them: Step Functions takes them as plain text."""
    own = {name: value for name, value in state.items() if name not in _MACHINES | {"Comment"}}
    return [
        ".".join(map(str, way))
        for way, text in _texts(own, ())
        if way[-1] != "Comment" and ("{%" in text or "%}" in text) and not (text.startswith("{%") and text.endswith("%}"))
    ]


def parse(expressions: list[Expression]) -> None:
    """Fills in what each refers to, or why it cannot be parsed."""
    ended = subprocess.run(
        ["node", _PARSER, LINT_NPM], input=json.dumps([one.text for one in expressions]), capture_output=True, text=True, check=True, timeout=60
    )
    for expression, parsed in zip(expressions, json.loads(ended.stdout), strict=True):
        expression.error = parsed.get("error")
        if "tree" in parsed:
            expression.builtin = {*parsed["builtin"]}
            _read(parsed["tree"], frozenset(), expression, top=True)


def _texts(node: Any, way: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    match node:
        case str():
            yield way, node
        case dict():
            for name, value in node.items():
                yield from _texts(value, (*way, name))
        case list():
            for number, value in enumerate(node):
                yield from _texts(value, (*way, number))


def _read(node: Any, known: frozenset[str], into: Expression, top: bool) -> frozenset[str]:
    """Walks a syntax tree in the order of its evaluation. `known`: names bound so far; `top`: whether the context is still JSONata's input."""
    match node:
        case {"type": "variable", "value": str(name)}:
            if name in ("", "$"):
                if top or name == "$":
                    into.rootless.add(f"${name}")
            elif name == "states" and name not in known:
                into.states.add("")
            elif name not in known:
                into.variables.add(name)
        case {"type": "name", "value": str(name)}:
            if top:
                into.rootless.add(name)
        case {"type": "wildcard" | "descendant" as kind}:
            if top:
                into.rootless.add("*" if kind == "wildcard" else "**")
        case {"type": "path", "steps": list(steps)}:
            known = _read_path(steps, known, into, top)
            for group in (node.get("group") or {}).get("lhs", []):
                _read(group, known, into, False)
        case {"type": "block", "expressions": list(parts)}:
            inner = known
            for part in parts:
                inner = _read(part, inner, into, top)
        case {"type": "bind", "lhs": {"value": str(name)}, "rhs": value}:
            # A function may call itself by the name that it is bound to.
            inside = known | {name} if isinstance(value, dict) and value.get("type") == "lambda" else known
            _read(value, inside, into, top)
            return known | {name}
        case {"type": "lambda", "arguments": list(arguments), "body": body}:
            _read(body, known | {argument["value"] for argument in arguments}, into, top)
        case {"type": "function" | "partial", "procedure": procedure, "arguments": list(arguments)}:
            if procedure.get("type") == "variable" and procedure["value"] not in known:
                into.calls.add(procedure["value"])
            else:
                _read(procedure, known, into, top)
            for argument in arguments:
                _read(argument, known, into, top)
        case {"type": "apply", "lhs": left, "rhs": right}:
            _read(left, known, into, top)
            if right.get("type") == "variable" and right["value"] not in known:
                into.calls.add(right["value"])
            else:
                _read(right, known, into, top)
        case {"type": "transform"}:
            # Its pattern and update have what it is applied to as their context.
            for part in ("pattern", "update", "delete"):
                _read(node.get(part), known, into, False)
        case {"type": "regex"}:
            pass
        case dict():
            for key, child in node.items():
                # A filter's or an order's context is the item that it looks at.
                _read(child, known, into, top and key not in ("predicate", "stages", "group"))
        case list():
            for child in node:
                _read(child, known, into, top)
    return known


def _read_path(steps: list[dict[str, Any]], known: frozenset[str], into: Expression, top: bool) -> frozenset[str]:
    first, *others = steps
    if first.get("type") == "variable" and first.get("value") == "states" and "states" not in known:
        part = next((step["value"] for step in others[:1] if step.get("type") == "name"), "")
        into.states.add(part)
    else:
        _read({key: value for key, value in first.items() if key not in ("stages", "predicate")}, known, into, top)
    for number, step in enumerate(steps):
        # `@$x` and `#$i` bind names for the steps and filters that follow.
        known |= {step[key] for key in ("focus", "index") if isinstance(step.get(key), str)}
        if number:
            _read({key: value for key, value in step.items() if key not in ("stages", "predicate")}, known, into, False)
        for stage in [*step.get("stages", []), *step.get("predicate", [])]:
            known |= {stage["value"]} if stage.get("type") == "index" else set()
            _read(stage.get("expr", stage if stage.get("type") != "index" else None), known, into, False)
    return known
