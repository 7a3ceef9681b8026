"""Makes the checkout self-sufficient: pinned Python and npm parts, what the machine lacks of Node, Java, Postgres and the JDBC driver, and sample data.

Standard library only. Every part carries a stamp with the hash of what it was made from, written last: a part that was interrupted, or whose pins
changed, is made again; one that stands costs a file read.
"""

import fcntl

from laptop.failure import Failure
from laptop.paths import STATE
from laptop.setup import browser, java, jdbc, machine, node, postgres, python, samples


def ensure(for_tests: bool = False) -> None:
    """What a run needs, and what only `make lint` and `make test` need on top."""
    STATE.mkdir(exist_ok=True)
    with (STATE / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second set-up in the same checkout waits for the first
        try:
            python.ensure()
            tools = machine.recall_if_unchanged()
            for part in (node, java, postgres, jdbc, *([browser] if for_tests else [])):
                if part.NAME not in tools:
                    tools[part.NAME] = part.find() or part.install()
                    machine.remember(tools)
            node.ensure_packages(tools[node.NAME])
            samples.ensure()
            if for_tests:
                python.ensure_for_tests()
                node.ensure_packages_for_tests(tools[node.NAME])
        except OSError as error:
            raise Failure("SetupFailed", f"the set-up could not finish: {error}") from error
