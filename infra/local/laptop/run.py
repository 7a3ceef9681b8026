"""`make run`: one run from files to warehouse, in a stack of its own that is gone afterwards. `make start`: one on the stack that is up."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

from botocore.exceptions import ClientError

from laptop import execution, ledger, page, report, screen, seed, summary
from laptop.failure import Failure
from laptop.inputs import Inputs
from laptop.session import Session, ready
from laptop.sight import Sight
from laptop.stack import shown
from laptop.summary import Outcome

# Why an execution ends well without a load, by what the fetching function answers.
_NOTHING_TO_DO = {
    "unchanged": "nothing has changed since the run {since_run}",
    "empty": "there is no blob, and there need not be one",
}


def main(inputs: Inputs, out: Path | None) -> int:
    with _summarized(out) as outcome:
        with ready("run", inputs) as session:
            carry_out(session, outcome, {}, out)
            kept = f"Kept: {out}/" if out else "`make run OUT=dir` keeps a run's files."
            screen.say(f"This stack now stops, and its tables and objects go with it. {kept}")
            screen.say("`make up` starts one that stays, to look around with the AWS CLI and psql.")
        # Now the functions' logs are there, too.
        _raise_error_of(outcome, session)
    return 0


def start(session: Session, given: dict, files: dict[str, Path], out: Path | None) -> int:
    """One more run on a stack that stays. Files that are given are put in place first, where the next run finds them, too."""
    with _summarized(out) as outcome:
        put_in_place(session, files)
        carry_out(session, outcome, given, out)
        if outcome.error:
            session.stack.keep_function_logs()
        _raise_error_of(outcome, session)
    return 0


def put_in_place(session: Session, files: dict[str, Path]) -> None:
    for name, path in files.items():
        with screen.step(f"put the {name} in place"):
            match name:
                case "transactions":
                    seed.transactions(session.stack, path)
                case "customers":
                    seed.customers(session.stack, path)
                case "contract":
                    seed.contract(session.stack, session.deployment.bucket, path)


def carry_out(session: Session, outcome: Outcome, given: dict, out: Path | None) -> None:
    """Runs one execution and shows its books. What is known of it goes into the outcome as it comes, for it may be interrupted."""
    stack, bucket = session.stack, session.deployment.bucket
    calls, running = stack.data_api_calls(), _start(session, json.dumps(given))
    outcome.run_id, outcome.status = running.name, "RUNNING"
    screen.say(f"\nexecution {outcome.run_id}, input {json.dumps(given)}")
    _watch(session, running, reads_the_blob="replay" not in given)
    outcome.status, outcome.error, outcome.seconds = running.status, running.error, running.seconds
    outcome.state_transitions, outcome.data_api_calls = running.transitions, dict(stack.data_api_calls() - calls)
    _read_books(session, outcome, running)
    if out:
        report.export(stack, bucket, outcome.run_id, out)
    report.print_table(outcome)
    report.print_places(stack, bucket, outcome.run_id)
    _keep_page(session, outcome, running, out)


def _start(session: Session, given: str) -> execution.Execution:
    """Under the second's name; if another has been started within it, under the next one's."""
    while True:
        try:
            return execution.start(session.stack, session.deployment.state_machine, time.strftime("run-%Y%m%d-%H%M%S"), given)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
            time.sleep(1 - time.time() % 1)


def _watch(session: Session, running: execution.Execution, reads_the_blob: bool) -> None:
    progress, sight = screen.Progress(), Sight(session, running.name, reads_the_blob)

    def show(running: execution.Execution) -> None:
        progress.show(lambda with_facts: sight.stays(running, with_facts), is_over=running.status != "RUNNING")

    execution.follow(session.stack, running, show)


def _keep_page(session: Session, outcome: Outcome, ended: execution.Execution, out: Path | None) -> None:
    """A run is what it is, whether or not its report can be made."""
    try:
        kept = page.fetch(session, ended.arn, outcome.run_id, out)
    except Failure as failure:
        screen.say(screen.paint(f"warning: there is no report of this run: {failure}", "yellow"))
    else:
        outcome.report = str(kept)
        screen.say(f"report: {shown(kept)}")


def _read_books(session: Session, outcome: Outcome, ended: execution.Execution) -> None:
    output = json.loads(ended.output) if ended.status == "SUCCEEDED" else {}
    if output.get("status") == "PLANNED":
        outcome.plan = output["plan"]
        return
    if output.get("outcome") in _NOTHING_TO_DO:
        outcome.nothing_to_do = _NOTHING_TO_DO[output["outcome"]].format(**output)
        return
    with session.stack.warehouse.connect() as connection:
        outcome.ledger = ledger.read(connection, outcome.run_id)
        if ended.status != "SUCCEEDED":
            return
        if outcome.ledger is None:
            faults = ["the execution succeeded, but the ledger in the warehouse has no row of it"]
        else:
            faults = ledger.faults(connection, outcome.run_id, outcome.ledger)
    if faults:
        outcome.fail("LedgerMismatch", "; ".join(faults))
    else:
        # The execution ends with the warehouse's word that the ledger balances.
        outcome.seconds_to_balanced_ledger = ended.duration


@contextlib.contextmanager
def _summarized(out: Path | None) -> Iterator[Outcome]:
    """However it ends, `summary.json` says how."""
    outcome = Outcome()
    try:
        yield outcome
    except BaseException as error:
        outcome.fail(*_named(error))
        raise
    finally:
        if out:
            summary.write(out, outcome)


def _raise_error_of(outcome: Outcome, session: Session) -> None:
    if outcome.error:
        raise Failure(outcome.error["name"], outcome.error["message"], sorted(session.stack.logs.iterdir()))


def _named(error: BaseException) -> tuple[str, str]:
    match error:
        case Failure():
            return error.name, error.message
        case KeyboardInterrupt():
            return "Interrupted", "stopped before the end"
        case _:
            return type(error).__name__, str(error)
