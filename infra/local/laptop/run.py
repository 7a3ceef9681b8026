"""`make run`: one run from files to warehouse, in a stack of its own that is gone afterwards."""

import time
from pathlib import Path

from laptop import execution, ledger, report, screen, summary
from laptop.failure import Failure
from laptop.inputs import Inputs
from laptop.session import Session, ready
from laptop.summary import Outcome


def main(inputs: Inputs, out: Path | None) -> int:
    outcome = Outcome()
    try:
        with ready("run", inputs) as session:
            carry_out(session, outcome)
            if out:
                report.export(session.stack, session.deployment.bucket, outcome.run_id, out)
            report.print_table(outcome)
            report.print_places(session.stack, session.deployment.bucket, outcome.run_id, out)
        # Now the functions' logs are there, too.
        if outcome.error:
            raise Failure(outcome.error["name"], outcome.error["message"], sorted(session.stack.logs.iterdir()))
    except BaseException as error:
        outcome.fail(*_named(error))
        raise
    finally:
        if out:
            summary.write(out, outcome)
    return 0


def carry_out(session: Session, outcome: Outcome) -> None:
    """Runs one execution and reads its books. What is known of it goes into the outcome as it comes, for it may be interrupted."""
    stack = session.stack
    outcome.run_id, outcome.status = time.strftime("run-%Y%m%d-%H%M%S"), "RUNNING"
    screen.say(f"\nexecution {outcome.run_id}, input {{}}")
    running = execution.start(stack, session.deployment.state_machine, outcome.run_id)
    execution.follow(stack, running, screen.Progress().show)
    outcome.status, outcome.error, outcome.seconds = running.status, running.error, running.seconds
    with stack.warehouse.connect() as connection:
        outcome.ledger = ledger.read(connection, outcome.run_id)
        if running.status != "SUCCEEDED":
            return
        if outcome.ledger is None:
            faults = ["the execution succeeded, but the ledger in the warehouse has no row of it"]
        else:
            faults = ledger.faults(connection, outcome.run_id, outcome.ledger)
        if faults:
            outcome.fail("LedgerMismatch", "; ".join(faults))


def _named(error: BaseException) -> tuple[str, str]:
    match error:
        case Failure():
            return error.name, error.message
        case KeyboardInterrupt():
            return "Interrupted", "stopped before the end"
        case _:
            return type(error).__name__, str(error)
