"""`make run`: one run from files to warehouse, in a stack of its own that is gone afterwards."""

import time
from pathlib import Path

from laptop import execution, ledger, report, screen, summary
from laptop.inputs import Inputs
from laptop.screen import say
from laptop.session import Session, ready
from laptop.stack import shown
from laptop.summary import Outcome


def main(inputs: Inputs, out: Path | None) -> int:
    if out:
        summary.clear(out)
    with ready("run", inputs) as session:
        outcome = Outcome(run_id=time.strftime("run-%Y%m%d-%H%M%S"))
        try:
            carry_out(session, outcome)
        finally:
            if out:
                summary.write(out, outcome)
        if out:
            report.export(session.stack, session.deployment.bucket, outcome.run_id, out)
        report.print_table(outcome)
        report.print_places(session.stack, session.deployment.bucket, outcome.run_id, out)
        logs = session.stack.logs
    if outcome.good:
        return 0
    say()
    say(screen.paint(f"error: {outcome.error['name']}: {outcome.error['message']}", "red"))
    say(f"logs: {shown(logs)}/: " + ", ".join(sorted(file.name for file in logs.iterdir())))
    return 1


def carry_out(session: Session, outcome: Outcome) -> None:
    """Runs one execution and reads its books; everything that is known of it ends up in the outcome, also when it is interrupted."""
    stack = session.stack
    say()
    say(f"execution {outcome.run_id}, input {{}}")
    running = execution.start(stack, session.deployment.state_machine, outcome.run_id)
    outcome.status, outcome.error = running.status, {"name": "Interrupted", "message": "stopped before the end"}
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
            outcome.error = {"name": "LedgerMismatch", "message": "; ".join(faults)}
