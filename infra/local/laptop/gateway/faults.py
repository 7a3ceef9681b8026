"""Scripted faults: what a test rig wants to go wrong, so that it can see whether the caller recovers. Without a script nothing is looked up."""

import json
import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from laptop.gateway.errors import ServiceError

log = logging.getLogger("faults")

# Those of the connection are for any operation; the server asks for them, and the services for the others.
OF_THE_CONNECTION = ("refuse", "lose_reply")
OF_A_RUN = ("hold_run", "end_run")
OF_A_STATEMENT = ("hold_statement", "end_statement")
OF_AN_ANSWER = ("forget",)

_REQUIRED = object()


@dataclass(frozen=True)
class _Field:
    demand: str
    holds: Callable[[Any], bool]
    default: Any = _REQUIRED


def _text(default: Any = _REQUIRED) -> _Field:
    return _Field("a text", lambda value: isinstance(value, str) or value is default, default)


def _count(least: int, default: Any, most: int = 2**31) -> _Field:
    return _Field(f"a whole number from {least}", lambda value: type(value) is int and least <= value <= most, default)


def _seconds(default: Any = _REQUIRED) -> _Field:
    return _Field("a number of seconds from 0", lambda value: type(value) in (int, float) and value >= 0, default)


def _one_of(*names: str) -> _Field:
    return _Field(f"one of {', '.join(names)}", lambda value: value in names)


_STATEMENTS = ("ExecuteStatement", "BatchExecuteStatement")
_OF_EVERY_FAULT = {"times": _count(1, 1), "skip": _count(0, 0)}
# What can be done: to which operations (None: to any), and what it needs to know.
_ACTIONS: dict[str, tuple[Collection[str] | None, dict[str, _Field]]] = {
    "refuse": (None, {"code": _text(), "message": _text(""), "status": _count(400, 400, most=599)}),
    "lose_reply": (None, {}),
    "end_run": (
        ("StartJobRun",),
        {"state": _one_of("FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED", "SUCCEEDED"), "message": _text(None), "after": _seconds(0)},
    ),
    "hold_run": (("StartJobRun",), {"state": _one_of("WAITING", "STARTING", "STOPPING"), "seconds": _seconds()}),
    "end_statement": (_STATEMENTS, {"status": _one_of("FAILED", "ABORTED"), "error": _text()}),
    "hold_statement": (_STATEMENTS, {"status": _one_of("SUBMITTED", "PICKED", "STARTED"), "seconds": _seconds()}),
    "forget": (("DescribeStatement", "GetStatementResult"), {}),
}


@dataclass
class Fault:
    operation: str
    do: str
    settings: dict[str, Any]
    skipped: int = 0
    fired: int = 0

    def __getitem__(self, name: str) -> Any:
        return self.settings[name]

    def describe(self) -> dict:
        return {"operation": self.operation, "do": self.do, **self.settings, "fired": self.fired}


class Faults:
    def __init__(self, operations: Collection[str]) -> None:
        self._operations = sorted(operations)
        self._script: list[Fault] = []
        self._lock = threading.Lock()

    def replace(self, entries: object) -> None:
        if not isinstance(entries, list):
            raise ServiceError("ValidationException", "A script of faults is a JSON list.")
        script = [self._read(number, entry) for number, entry in enumerate(entries, 1)]
        with self._lock:
            self._script = script

    def describe(self) -> list[dict]:
        with self._lock:
            return [fault.describe() for fault in self._script]

    def take(self, operation: str, actions: Collection[str]) -> Fault | None:
        """The fault that this call is to meet: the first in the script that is due. A call counts for those that it passes on the way."""
        if not self._script:
            return None
        with self._lock:
            for fault in self._script:
                if fault.operation != operation or fault.do not in actions or fault.fired == fault["times"]:
                    continue
                if fault.skipped < fault["skip"]:
                    fault.skipped += 1
                    continue
                fault.fired += 1
                log.info("%s: %s", operation, json.dumps(fault.describe()))
                return fault
        return None

    def _read(self, number: int, entry: object) -> Fault:
        def refuse(sentence: str) -> None:
            raise ServiceError("ValidationException", f"Entry {number} of the script: {sentence}")

        if not isinstance(entry, dict):
            refuse("it is a JSON object.")
        operation, do = entry.get("operation"), entry.get("do")
        if operation not in self._operations:
            refuse(f"the operation {operation!r} is none of {', '.join(self._operations)}.")
        if do not in list(_ACTIONS):
            refuse(f"do {do!r} is none of {', '.join(_ACTIONS)}.")
        operations, fields = _ACTIONS[do]
        if operations is not None and operation not in operations:
            refuse(f"{do} is for {' and '.join(operations)}, not for {operation}.")
        fields = fields | _OF_EVERY_FAULT
        if unknown := sorted(entry.keys() - fields.keys() - {"operation", "do"}):
            refuse(f"{do} has no field {', '.join(unknown)}; its fields are {', '.join(fields)}.")
        settings = {name: entry.get(name, field.default) for name, field in fields.items()}
        for name, field in fields.items():
            if settings[name] is _REQUIRED:
                refuse(f"{do} needs {name}, {field.demand}.")
            if not field.holds(settings[name]):
                refuse(f"{name} is {field.demand}, not {json.dumps(settings[name])}.")
        return Fault(operation, do, settings)
