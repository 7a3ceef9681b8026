"""Entry point: `python3 -m laptop run|up|start|trace|doctor|down|setup|exec`.

It starts under whatever Python 3 the machine has, so it and what it imports before the set-up need the standard library only. It then continues
under the Python of the checkout, where the pinned packages are.
"""

import os
import sys

if sys.version_info < (3, 11):
    sys.exit(
        "error: this needs Python 3.11 or newer, and %s is Python %d.%d. Name another one: make PYTHON=/path/to/python3.11 ..."
        % ((sys.executable,) + tuple(sys.version_info[:2]))
    )

from laptop import commands, guard, setup
from laptop.failure import Failure
from laptop.paths import LOCAL_FOLDER, VENV


def main(arguments):
    try:
        commands.check(arguments)
        if os.path.realpath(sys.prefix) == os.path.realpath(VENV):
            return commands.dispatch(arguments)
        setup.ensure(for_tests=arguments.command == "setup", compiles=arguments.command in ("run", "up") or getattr(arguments, "compile", False))
    except Failure as failure:
        return commands.report_failure(arguments, failure)
    except KeyboardInterrupt:
        commands.report_failure(arguments, Failure("Interrupted", "stopped before the end"))
        return 130
    # By its whole path: an interpreter looks for its environment from there.
    python = str(VENV / "bin" / "python")
    return os.execve(python, [python, "-m", "laptop", *sys.argv[1:]], dict(os.environ, PYTHONPATH=str(LOCAL_FOLDER)))


if __name__ == "__main__":
    parsed = commands.parse(sys.argv[1:])
    # `up` leaves something running on purpose, and that has a guard of its own.
    sys.exit(main(parsed) if parsed.command == "up" else guard.run(lambda: main(parsed)))
