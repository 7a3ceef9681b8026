"""Makes the checkout self-sufficient: pinned Python and npm parts, what the machine lacks of Node, Java, Postgres and the JDBC driver, and sample data.

Standard library only. The parts are made side by side, and beside the compiler, which takes longest. Every part carries a stamp with the hash of what it
was made from, written last: a part that was interrupted, or whose pins changed, is made again; one that stands costs a file read.
"""

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from laptop import build, screen
from laptop.failure import Failure
from laptop.paths import STATE
from laptop.setup import child, graph, parts

FIRST_TIME = "The first time takes about 8 minutes on two cores, nearly all of it the compiler; the next takes about 40 seconds."


def ensure(for_tests: bool = False, compiles: bool = False) -> None:
    """What a run needs; what only `make lint` and `make test` need on top; and the functions, compiled beside all that."""
    STATE.mkdir(exist_ok=True)
    with _alone():
        if compiles and not build.stands():
            screen.say(FIRST_TIME, sys.stderr)
        progress = screen.Progress(sys.stderr, tells_ends=True)
        try:
            graph.make_all(
                parts.of(for_tests, compiles),
                lambda stays, is_last: progress.show(lambda _: stays, is_over=is_last),
                child.stop_all,
            )
        except OSError as error:
            raise Failure("SetupFailed", f"the set-up could not finish: {error}") from error


@contextmanager
def _alone() -> Iterator[None]:
    with (STATE / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            screen.say("Another command is setting this checkout up; waiting for it.", sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
