"""The commands and their arguments. Imported before the set-up, so what needs installed packages is imported where it is used."""

import argparse
import os
import sys
from pathlib import Path

from laptop import summary
from laptop.failure import Failure
from laptop.inputs import Inputs
from laptop.summary import Outcome


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="laptop", description="The whole stack on one machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("setup", help="install the pinned parts into the checkout")
    run = commands.add_parser("run", help="one run from files to warehouse, in a stack of its own")
    for name in ("customers", "transactions", "contract", "out"):
        run.add_argument(f"--{name}", type=Path)
    commands.add_parser("up", help="start a stack in the background")
    commands.add_parser("down", help="stop it")
    commands.add_parser("supervise", help="what `up` runs in the background")
    execute = commands.add_parser("exec", help="run a command with the pinned tools on its PATH")
    execute.add_argument("words", nargs=argparse.REMAINDER)
    return parser.parse_args(words)


def check(arguments: argparse.Namespace) -> None:
    """What can be known to be wrong at once should not come out after minutes of building."""
    if arguments.command == "run":
        if arguments.out and arguments.out.exists():
            if not arguments.out.is_dir():
                raise Failure("InputMissing", f"OUT: {arguments.out} is a file; give the path of a folder")
            summary.clear(arguments.out)
        inputs_of(arguments).check()


def inputs_of(arguments: argparse.Namespace) -> Inputs:
    given = {name: getattr(arguments, name) for name in ("customers", "transactions", "contract")}
    return Inputs(**{name: path for name, path in given.items() if path is not None})


def dispatch(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "run":
            from laptop import run

            return run.main(inputs_of(arguments), arguments.out)
        case "up" | "down" | "supervise":
            from laptop import background

            return getattr(background, arguments.command)()
        case "exec":
            from laptop import environment

            os.execvpe(arguments.words[0], arguments.words, environment.of_tools())
    return 0


def report_failure(arguments: argparse.Namespace, failure: Failure) -> int:
    print(f"\nerror: {failure}", file=sys.stderr)
    for log in failure.logs:
        print(f"  log: {os.path.relpath(log)}", file=sys.stderr)
    out = arguments.out if arguments.command == "run" else None
    if out and not (out / "summary.json").exists() and (out.is_dir() or not out.exists()):
        summary.write(out, Outcome(error={"name": failure.name, "message": failure.message}))
    return 1
