"""What the user sees while it goes: live lines on a terminal, plain lines elsewhere."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread
from typing import TextIO

from laptop.execution import Execution, State

_LIVE = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
_COLOUR = _LIVE and not os.environ.get("NO_COLOR")
_CODES = {"green": "32", "red": "31", "yellow": "33", "grey": "90", "bold": "1"}
_REFRESH_SECONDS = 0.5
_SIGN_OF_LIFE_SECONDS = 15.0
_CLEAR_LINE, _UP = "\r\x1b[K", "\x1b[1A"


def paint(text: str, colour: str) -> str:
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if _COLOUR else text


def say(text: str = "", file: TextIO | None = None) -> None:
    print(text, file=file, flush=True)


@contextmanager
def step(doing: str) -> Iterator[None]:
    """One part of the preparation: what it is, and how long it took."""
    started, over = time.monotonic(), Event()

    def line(mark: str) -> str:
        return f"{mark} {doing:<46} {time.monotonic() - started:6.1f} s"

    def refresh() -> None:
        while not over.wait(_REFRESH_SECONDS):
            print(_CLEAR_LINE + line("·"), end="", flush=True)

    ticker = Thread(target=refresh, daemon=True)
    if _LIVE:
        print(line("·"), end="", flush=True)
        ticker.start()
    mark = paint("✗", "red")
    try:
        yield
        mark = paint("✓", "green")
    finally:
        over.set()
        if _LIVE:
            ticker.join()
            print(_CLEAR_LINE, end="")
        say(line(mark))


class Progress:
    """The states of an execution: a line each that lives on a terminal; elsewhere a line when one is entered, and a sign of life from time to time."""

    def __init__(self) -> None:
        self._drawn = 0
        self._said: set[str] = set()
        self._started = self._last_said = time.monotonic()

    def show(self, execution: Execution) -> None:
        if _LIVE:
            self._redraw(execution)
        else:
            self._append(execution)

    def _redraw(self, execution: Execution) -> None:
        lines = [_line(state, execution) for state in execution.states.values()]
        print((_UP + _CLEAR_LINE) * self._drawn + "\n".join(lines), flush=True)
        self._drawn = len(lines)

    def _append(self, execution: Execution) -> None:
        now = time.monotonic()
        news = [state for state in execution.states.values() if state.name not in self._said]
        if not news and now - self._last_said > _SIGN_OF_LIFE_SECONDS:
            news = [state for state in execution.states.values() if state.since]
        for state in news:
            self._said.add(state.name)
            self._last_said = now
            say(f"  {now - self._started:6.1f} s  {state.name}{_times(state)}")


def _line(state: State, execution: Execution) -> str:
    failed = execution.error is not None and state is list(execution.states.values())[-1]
    mark = paint("✗", "red") if failed else paint("·", "grey") if state.since else paint("✓", "green")
    return f"  {mark} {state.name + _times(state):<44} {state.seconds_at(datetime.now(UTC)):6.1f} s"


def _times(state: State) -> str:
    return f" ({state.visits} times)" if state.visits > 1 else ""
