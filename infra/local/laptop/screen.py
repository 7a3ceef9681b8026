"""What the user sees while it goes: live lines on a terminal, plain lines elsewhere."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TextIO

from laptop import live
from laptop.live import Stay


def _is_live(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _has_colour(stream: TextIO) -> bool:
    return _is_live(stream) and not os.environ.get("NO_COLOR")


_LIVE, _COLOUR = _is_live(sys.stdout), _has_colour(sys.stdout)
_REFRESH_SECONDS = 0.5
_SIGN_OF_LIFE_SECONDS = 15.0
_CLEAR_LINE, _UP = "\r\x1b[K", "\x1b[1A"


def paint(text: str, tint: str) -> str:
    return live.paint(text, tint, _COLOUR)


def say(text: str = "", file: TextIO | None = None) -> None:
    print(text, file=file, flush=True)


@contextmanager
def step(doing: str, facts: Callable[[], tuple[str, ...]] = tuple) -> Iterator[None]:
    """One part of the preparation: what it is, how long it took, and what is known of it while it goes."""
    started, over = time.monotonic(), Event()

    def line(mark: str, tint: str) -> str:
        return live.timed(mark, tint, doing, time.monotonic() - started, _size().columns, _COLOUR)

    def refresh() -> None:
        while not over.wait(_REFRESH_SECONDS if _LIVE else _SIGN_OF_LIFE_SECONDS):
            if _LIVE:
                print(_CLEAR_LINE + live.with_facts(line("·", "grey"), facts(), _size().columns, _COLOUR), end="", flush=True)
            elif known := facts():
                say(f"· {doing}: {', '.join(known)}")

    ticker = Thread(target=refresh, daemon=True)
    if _LIVE:
        print(line("·", "grey"), end="", flush=True)
    ticker.start()
    mark = ("✗", "red")
    try:
        yield
        mark = ("✓", "green")
    finally:
        over.set()
        ticker.join()
        if _LIVE:
            print(_CLEAR_LINE, end="")
        say(line(*mark))


class Progress:
    """The states of an execution, or the parts of the set-up: a line each that lives on a terminal. Elsewhere a line when one is entered, if it is wanted
    also when it has been left, and a sign of life from time to time."""

    def __init__(self, stream: TextIO | None = None, tells_ends: bool = False) -> None:
        self._stream = stream or sys.stdout
        self._live, self._colour = _is_live(self._stream), _has_colour(self._stream)
        self._tells_ends = tells_ends
        self._drawn = 0
        self._said: set[str | tuple[str, str]] = set()
        self._started = time.monotonic()
        self._last_drawn = self._last_said = self._started

    def show(self, look: Callable[[bool], list[Stay]], is_over: bool = False) -> None:
        """May be called as often as one likes. It looks only when it shows something, and asks for facts only where it shows them."""
        now = time.monotonic()
        if not self._live:
            self._append(look, now)
        elif is_over or not self._drawn or now - self._last_drawn >= _REFRESH_SECONDS:
            self._last_drawn = now
            self._redraw(look(True))

    def _redraw(self, stays: list[Stay]) -> None:
        size = _size(self._live)
        # What has left the window can be drawn over no more.
        lines = live.lines(stays, size.columns, self._colour)[-max(1, size.lines - 1) :]
        print((_UP + _CLEAR_LINE) * self._drawn + "".join(line + "\n" for line in lines), end="", file=self._stream, flush=True)
        self._drawn = len(lines)

    def _append(self, look: Callable[[bool], list[Stay]], now: float) -> None:
        is_due = now - self._last_said > _SIGN_OF_LIFE_SECONDS
        stays = look(is_due)
        news = [(stay, ()) for stay in stays if stay.name not in self._said]
        if self._tells_ends:
            news += [(stay, (live.ended(stay),)) for stay in stays if stay.how != "in" and (stay.name, stay.how) not in self._said]
        if not news and is_due:
            news = [(stay, stay.facts) for stay in stays if stay.how == "in" and (stay.facts or not self._tells_ends)]
        for stay, facts in news:
            self._said |= {stay.name, (stay.name, stay.how)}
            self._last_said = now
            told = ": " + ", ".join(facts) if facts else ""
            say(f"  {now - self._started:6.1f} s  {live.titled(stay.name, stay.visits)}{told}", self._stream)


def _size(live: bool = _LIVE) -> os.terminal_size:
    """Of the terminal as it is now; elsewhere as wide as it likes."""
    return shutil.get_terminal_size() if live else os.terminal_size((200, 100))
