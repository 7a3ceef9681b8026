"""What a run looks like while it goes: as lines, and on a terminal of its own."""

import os
import pty
import re
import subprocess
import sys

import pytest
from laptop import live
from laptop.live import Pace, Stay
from laptop.paths import LOCAL_FOLDER

FETCHED = Stay("FetchTransactions", "left", 12.06)
MERGING = Stay("MergeAndClean", "in", 3.2, facts=("4 of 17 splits", "2,400,000 of 10,000,000 rows", "410,000 rows/s", "about 19 s left"))
WAITING = Stay("WaitForLoad", "in", 15.0, visits=15)
FAILED = Stay("FetchTransactions", "failed", 0.31)
LONG = Stay("A" * 80, "left", 1.0, facts=("x" * 80,))
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def check(stays: list[Stay], width: int, expected: list[str], colour: bool = False) -> None:
    assert live.lines(stays, width, colour) == expected


def test_states_are_lines_and_the_one_it_is_in_says_more() -> None:
    check(
        [FETCHED, MERGING],
        100,
        [
            "  ✓ FetchTransactions                                12.1 s",
            "  · MergeAndClean                                     3.2 s",
            "      4 of 17 splits, 2,400,000 of 10,000,000 rows, 410,000 rows/s, about 19 s left",
        ],
    )
    check([WAITING], 100, ["  · WaitForLoad (15 times)                           15.0 s"])
    check([FAILED], 100, ["  ✗ FetchTransactions                                 0.3 s"])
    check([], 100, [])


def test_a_narrow_terminal_shows_what_fits() -> None:
    check([FETCHED, MERGING], 40, ["  ✓ FetchTransactions             12.1 s", "  · MergeAndClean                  3.2 s", "      4 of 17 splits"])
    check([WAITING], 24, ["  · WaitForLoa…   15.0 s"])
    check([LONG], 40, ["  ✓ " + "A" * 26 + "…" + "    1.0 s"])


def test_colour_is_only_colour() -> None:
    check([FAILED], 100, ["  \x1b[31m✗\x1b[0m FetchTransactions                                 0.3 s"], colour=True)
    stays = [FETCHED, MERGING, LONG]
    assert [ESCAPE.sub("", line) for line in live.lines(stays, 60, True)] == live.lines(stays, 60, False)


@pytest.mark.parametrize("width", range(16, 120))
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    stays = [FETCHED, MERGING, WAITING, FAILED, LONG, Stay("IsLoadFinished", "in", 99_999.0, 9_999, live.loading(10**9, "Glue job RUNNING"))]
    assert max(map(len, live.lines(stays, width, False))) <= width


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (live.copied(None, 2_155_828, None), "2.2 MB"),
        (live.copied(0, 1_070_000_000, None), "0.0 of 1,070 MB"),
        (live.copied(412_000_000, 1_070_000_000, 61e6), "412 of 1,070 MB, 61.0 MB/s, about 11 s left"),
        (live.copied(1_000_000_000, 60_000_000_000, 160e6), "1,000 of 60,000 MB, 160 MB/s, about 6 min left"),
        (live.merged((0, 17), (0, 10_000_000), None), "0 of 17 splits, 0 of 10,000,000 rows"),
        (live.merged((4, 17), (2_400_000, 10_000_000), 400_000), "4 of 17 splits, 2,400,000 of 10,000,000 rows, 400,000 rows/s, about 19 s left"),
        (live.loading(9_787, "Glue job RUNNING"), "9,787 clean rows, Glue job RUNNING"),
    ],
)
def test_what_is_known_so_far(facts: tuple[str, ...], expected: str) -> None:
    assert ", ".join(facts) == expected


@pytest.mark.parametrize(
    ("seen", "rate"),
    [
        ([], None),
        ([(1.0, 5)], None),
        ([(1.0, 5), (2.0, 5)], None),
        ([(1.0, 0), (2.0, 10), (3.0, 40)], 20.0),
        # What is long ago does not count: it has been slow since.
        ([(0.0, 0), (1.0, 1000), (11.0, 1010), (12.0, 1011)], 1.0),
        # Nor does it count that it was looked at seldom.
        ([(0.0, 0), (30.0, 600)], 20.0),
        # A copy that began anew has no pace yet.
        ([(1.0, 50), (2.0, 0)], None),
    ],
)
def test_the_pace_is_that_of_the_last_seconds(seen: list[tuple[float, int]], rate: float | None) -> None:
    pace = Pace(seconds=10.0)
    for now, done in seen:
        pace.see(now, done)
    assert pace.rate == rate


# A preparation, a run of two states that is looked at many times, and its end.
PLAY = """
import time
from laptop import screen
from laptop.live import Stay

with screen.step("start the emulated clouds and the warehouse"):
    time.sleep(0.7)
progress, started = screen.Progress(), time.monotonic()
looks = 0

def look(with_facts):
    global looks
    looks += 1
    return [Stay("PrepareRun", "left", 0.1), Stay("MergeAndClean", "in", time.monotonic() - started, facts=("4 of 17 splits", "about 12 s left"))]

while time.monotonic() - started < 1.3:
    progress.show(look)
    time.sleep(0.02)
progress.show(lambda _: [Stay("PrepareRun", "left", 0.1), Stay("MergeAndClean", "left", 1.3)], is_over=True)
screen.say(f"looks {looks}")
"""


def on_a_terminal(columns: int, **variables: str) -> str:
    """What the play writes to a terminal of this width."""
    main, side = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM", "COLUMNS", "LINES")}
    variables = inherited | {"TERM": "xterm", "COLUMNS": str(columns), "LINES": "24", "PYTHONPATH": str(LOCAL_FOLDER)} | variables
    player = subprocess.Popen([sys.executable, "-c", PLAY], stdin=side, stdout=side, stderr=side, env=variables, close_fds=True)
    os.close(side)
    said = b""
    try:
        while piece := os.read(main, 65536):
            said += piece
    except OSError:  # the other side is closed
        pass
    assert player.wait(30) == 0, said
    return said.decode().replace("\r\n", "\n")


def seen(said: str, columns: int) -> list[str]:
    """What stands on the screen in the end, of a terminal that knows what is used of it: colours, one line up, clear a line."""
    lines, row = [""], 0
    for piece in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", said):
        match piece:
            case "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            case "\x1b[1A":
                row -= 1
            case "\x1b[K":
                lines[row] = ""
            case "\r":
                pass  # only ever before a line that is cleared
            case _ if not piece.startswith("\x1b"):
                lines[row] += piece
                assert len(lines[row]) <= columns, "it would wrap"
    return [line for line in lines if line]


@pytest.mark.parametrize("columns", [100, 40])
def test_on_a_terminal_each_state_keeps_its_line(columns: int) -> None:
    said = on_a_terminal(columns)
    lines = seen(said, columns)
    assert [line.split()[:2] for line in lines[:3]] == [["✓", "start"], ["✓", "PrepareRun"], ["✓", "MergeAndClean"]]
    assert len(lines) == 4 and "4 of 17 splits" in said
    # At most two pictures a second, however often it is told to show.
    assert int(lines[3].removeprefix("looks ")) <= 3
    assert "\x1b[32m" in said


def test_no_colour_means_none_on_a_terminal_too() -> None:
    said = on_a_terminal(80, NO_COLOR="1")
    assert "\x1b[1A" in said and not ESCAPE.search(said)


def test_a_dumb_terminal_gets_plain_lines() -> None:
    said = on_a_terminal(80, TERM="dumb")
    assert "\x1b" not in said and "\r" not in said
    assert [line.split()[-1] for line in said.splitlines()[1:3]] == ["PrepareRun", "MergeAndClean"]


def test_a_pipe_gets_plain_lines() -> None:
    said = subprocess.run([sys.executable, "-c", PLAY], env=os.environ | {"PYTHONPATH": str(LOCAL_FOLDER)}, capture_output=True, text=True, timeout=30)
    assert said.returncode == 0, said.stderr
    assert "\x1b" not in said.stdout and "\r" not in said.stdout
    assert len(said.stdout.splitlines()) == 4
