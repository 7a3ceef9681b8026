"""What the user sees while it goes: live lines on a terminal, plain lines elsewhere."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread

from laptop.execution import Execution, State

_LIVE = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
_COLOUR = _LIVE and not os.environ.get("NO_COLOR")
_CODES = {"green": "32", "red": "31", "grey": "90", "bold": "1"}
_REFRESH_SECONDS = 0.5
_CLEAR_LINE, _UP = "\r\x1b[K", "\x1b[1A"


def paint(text: str, colour: str) -> str:
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if _COLOUR else text


def say(text: str = "") -> None:
    print(text, flush=True)


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
    """The states of an execution, one line each."""

    def __init__(self) -> None:
        self._drawn = 0
        self._said: set[str] = set()

    def show(self, execution: Execution) -> None:
        if _LIVE:
            self._redraw(execution)
        else:
            self._append(execution)

    def _redraw(self, execution: Execution) -> None:
        lines = [self._line(state, execution) for state in execution.states.values()]
        print((_UP + _CLEAR_LINE) * self._drawn + "\n".join(lines), flush=True)
        self._drawn = len(lines)

    def _append(self, execution: Execution) -> None:
        over = execution.status != "RUNNING"
        for state in execution.states.values():
            # A state of the waiting loop is left many times; its line comes when the execution has ended.
            entered, left = f"{state.name} entered", f"{state.name} left"
            if entered not in self._said:
                self._said.add(entered)
                if state.since:
                    say(f"  {state.name} ...")
            if left not in self._said and not state.since and (over or state.visits == 1 and not _loops(execution)):
                self._said.add(left)
                say(self._line(state, execution))

    def _line(self, state: State, execution: Execution) -> str:
        failed = execution.error is not None and state is list(execution.states.values())[-1]
        mark = paint("✗", "red") if failed else paint("·", "grey") if state.since else paint("✓", "green")
        times = f" ({state.visits} times)" if state.visits > 1 else ""
        return f"  {mark} {state.name + times:<36} {state.seconds_at(datetime.now(UTC)):6.1f} s"


def _loops(execution: Execution) -> bool:
    return any(state.visits > 1 for state in execution.states.values())
