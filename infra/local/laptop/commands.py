"""The commands and their arguments. Imported before the set-up, so what needs installed packages is imported where it is used."""

import argparse
import os
import sys
from pathlib import Path

from laptop import summary
from laptop.failure import Failure
from laptop.inputs import Inputs
from laptop.summary import Outcome

_FILES = ("customers", "transactions", "contract")


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="laptop", description="The whole stack on one machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    setup = commands.add_parser("setup", help="install the pinned parts into the checkout")
    setup.add_argument("--compile", action="store_true", help="compile the functions beside it, as a run does")
    run = commands.add_parser("run", help="one run from files to warehouse, in a stack of its own")
    start = commands.add_parser("start", help="one more run, on the stack that is up")
    for name in (*_FILES, "out"):
        run.add_argument(f"--{name}", type=Path)
        start.add_argument(f"--{name}", type=Path)
    start.add_argument("--plan", action="store_true", help="report what it would do, and roll it back")
    start.add_argument("--replay", metavar="RUN", help="take up the quarantined records of this run again")
    trace = commands.add_parser("trace", help="from a row of the table back to the bytes it was read from")
    trace.add_argument("key")
    doctor = commands.add_parser("doctor", help="what a first run would trip over")
    for command in (trace, doctor):
        command.add_argument("--stack", help="one in AWS, instead of the one that is up")
    commands.add_parser("up", help="start a stack in the background")
    commands.add_parser("down", help="stop it")
    commands.add_parser("supervise", help="what `up` runs in the background")
    execute = commands.add_parser("exec", help="run a command with the pinned tools on its PATH")
    execute.add_argument("words", nargs=argparse.REMAINDER)
    return parser.parse_args(words)


def check(arguments: argparse.Namespace) -> None:
    """What can be known to be wrong at once should not come out after minutes of building."""
    if arguments.command in ("run", "start"):
        if arguments.out and arguments.out.exists():
            if not arguments.out.is_dir():
                raise Failure("InputMissing", f"OUT: {arguments.out} is a file; give the path of a folder")
            summary.clear(arguments.out)
        Inputs(**files_of(arguments)).check()
    if arguments.command == "start" and arguments.replay == "":
        raise Failure("InputMissing", "RUN: name the run whose quarantined records are to be taken up again, as crosstally.ledger has it")
    if arguments.command == "trace" and arguments.key == "":
        raise Failure("InputMissing", "KEY: give the key of a row, as the table has it; for a key of several columns, their values with commas between them")


def files_of(arguments: argparse.Namespace) -> dict[str, Path]:
    return {name: path for name in _FILES if (path := getattr(arguments, name)) is not None}


def dispatch(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "run":
            from laptop import run

            return run.main(Inputs(**files_of(arguments)), arguments.out)
        case "start":
            from laptop import background, run

            given = {"plan": True} if arguments.plan else {"replay": arguments.replay} if arguments.replay else {}
            return run.start(background.attach(), given, files_of(arguments), arguments.out)
        case "trace":
            from laptop import trace

            return trace.main(*_clients_and_stack(arguments.stack), arguments.key)
        case "doctor":
            from laptop import doctor

            return doctor.main(*_clients_and_stack(arguments.stack))
        case "up" | "down" | "supervise":
            from laptop import background

            return getattr(background, arguments.command)()
        case "exec":
            from laptop import environment

            os.execvpe(arguments.words[0], arguments.words, environment.of_tools())
    return 0


def _clients_and_stack(name: str | None) -> tuple:
    """Of the one in AWS that is named, with the caller's own credentials and Region; else of the one that is up."""
    if name:
        import boto3

        # The AWS CLI and the other SDKs go by AWS_REGION first; boto3 does not know it.
        return boto3.Session(region_name=os.environ.get("AWS_REGION")).client, name
    from laptop import background

    up = background.attach()
    return up.stack.client, up.deployment.stack


def report_failure(arguments: argparse.Namespace, failure: Failure) -> int:
    print(f"\nerror: {failure}", file=sys.stderr)
    for log in failure.logs:
        print(f"  log: {os.path.relpath(log)}", file=sys.stderr)
    out = getattr(arguments, "out", None)
    if out and not (out / "summary.json").exists() and (out.is_dir() or not out.exists()):
        summary.write(out, Outcome(error={"name": failure.name, "message": failure.message}))
    return 1
