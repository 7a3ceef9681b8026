"""How an execution looks while it goes: its states, a line each, and under one that is in, what is known of it. Pure: figures in, lines out."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

# Widest that the name of a state or of a part of the preparation gets.
_NAME_WIDTH = 46
_MARKS = {"in": ("·", "grey"), "left": ("✓", "green"), "failed": ("✗", "red"), "stopped": ("·", "grey")}
_CODES = {"green": "32", "red": "31", "yellow": "33", "grey": "90", "bold": "1"}
_INDENT = " " * 6
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Stay:
    """The time in one state, or in one part of the set-up: `in` it still, `left` it, `failed` there, or `stopped` because another failed."""

    name: str
    how: str
    seconds: float
    visits: int = 1
    # What is known of it so far, the most telling first.
    facts: tuple[str, ...] = ()


def lines(stays: Iterable[Stay], width: int, colour: bool) -> list[str]:
    """No line is wider than `width`: a terminal would wrap it, and the next picture would not cover the last."""
    shown = []
    for stay in stays:
        mark, tint = _MARKS[stay.how]
        shown.append("  " + timed(mark, tint, titled(stay.name, stay.visits), stay.seconds, width - 2, colour))
        if facts := fitting(stay.facts, width - len(_INDENT)):
            shown.append(_INDENT + paint(facts, "grey", colour))
    return shown


def titled(name: str, visits: int) -> str:
    return f"{name} ({visits} times)" if visits > 1 else name


def timed(mark: str, tint: str, name: str, seconds: float, width: int, colour: bool) -> str:
    """A mark, a name and the time it took; the name gives way where it gets narrow."""
    time = f" {seconds:6.1f} s"
    room = max(1, min(_NAME_WIDTH, width - 2 - len(time)))
    return f"{paint(mark, tint, colour)} {cut(name, room):<{room}}{time}"


def with_facts(line: str, facts: Iterable[str], width: int, colour: bool) -> str:
    """A timed line, and behind it what is known, as far as there is room."""
    room = width - len(_COLOURS.sub("", line)) - 2
    told = fitting(facts, room)
    return f"{line}  {paint(told, 'grey', colour)}" if told else line


def ended(stay: Stay) -> str:
    return f"{'done in' if stay.how == 'left' else f'{stay.how} after'} {stay.seconds:.1f} s"


def fitting(facts: Iterable[str], width: int) -> str:
    """As many of them as there is room for."""
    text = ""
    for fact in facts:
        longer = f"{text}, {fact}" if text else fact
        if len(longer) > width:
            break
        text = longer
    return text


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def paint(text: str, tint: str, colour: bool) -> str:
    return f"\x1b[{_CODES[tint]}m{text}\x1b[0m" if colour else text


@dataclass
class Pace:
    """How fast something gets done, by what was seen of it in the last seconds, and once before them."""

    seconds: float = 10.0

    def __post_init__(self) -> None:
        self._seen: list[tuple[float, int]] = []

    def see(self, now: float, done: int) -> None:
        recent = sum(now - at <= self.seconds for at, _ in self._seen)
        self._seen = [*self._seen[-recent - 1 :], (now, done)]

    @property
    def rate(self) -> float | None:
        """A second's work; None while nothing has moved."""
        (since, before), (now, done) = (self._seen[0], self._seen[-1]) if self._seen else ((0.0, 0), (0.0, 0))
        return (done - before) / (now - since) if now > since and done > before else None


def copied(done: int | None, total: int, rate: float | None) -> tuple[str, ...]:
    """Of a copy of so many bytes."""
    if done is None:
        return (f"{_mega(total)} MB",)
    pace = (f"{_mega(rate)} MB/s", f"about {_left(total - done, rate)} left") if rate else ()
    return (f"{_mega(done)} of {_mega(total)} MB", *pace)


def merged(splits: tuple[int, int], rows: tuple[int, int], rate: float | None) -> tuple[str, ...]:
    """Of a merge: so many of so many splits, and the rows in them."""
    pace = (f"{rate:,.0f} rows/s", f"about {_left(rows[1] - rows[0], rate)} left") if rate else ()
    what = "split" if splits[1] == 1 else "splits"
    return (f"{splits[0]:,} of {splits[1]:,} {what}", f"{rows[0]:,} of {rows[1]:,} rows", *pace)


def loading(rows: int, by: str) -> tuple[str, ...]:
    """Of a load: the clean rows that are to be loaded, and the word of who loads them."""
    return (f"{rows:,} clean rows", by)


def _mega(amount: float) -> str:
    return f"{amount / 1e6:,.1f}" if amount < 100e6 else f"{amount / 1e6:,.0f}"


def _left(amount: float, rate: float) -> str:
    seconds = max(0, round(amount / rate))
    return f"{seconds} s" if seconds < 100 else f"{round(seconds / 60)} min"
