"""`summary.json`: how a run ended, for programs. Standard library only, since a run can also end before the set-up.

run_id, status                  of the execution; NOT_STARTED and ABORTED are ours
rows, quarantined_by_rule, customers, sums, matched, unmatched
                                the run's row of crosstally.ledger
seconds                         by state, over all its visits
seconds_to_balanced_ledger      from the execution's start until the warehouse has said that the ledger balances, else null
state_transitions               what Step Functions bills: states entered and tasks retried, with the Map's children
data_api_calls                  calls of the Redshift Data API by operation, from the execution's start to its end
plan                            of an execution with the input {"plan": true}: what a load would have done, else null
report                          path of the run's page, or null
error                           name and message, or null
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_ROWS = ("read", "loaded", "superseded", "quarantined")
_FILES = ("manifest.json", "summary.json", "report.json", "report.html", "openlineage.ndjson")
_CUSTOMERS = ("read", "kept", "superseded", "quarantined")


@dataclass
class Outcome:
    run_id: str | None = None
    status: str = "NOT_STARTED"
    ledger: Any = None  # laptop.ledger.Ledger, once the warehouse has one
    seconds: dict[str, float] = field(default_factory=dict)
    seconds_to_balanced_ledger: float | None = None
    state_transitions: int = 0
    data_api_calls: dict[str, int] = field(default_factory=dict)
    plan: dict | None = None
    nothing_to_do: str | None = None
    report: str | None = None
    error: dict[str, str] | None = None

    def fail(self, name: str, message: str) -> None:
        self.error = {"name": name, "message": message}
        if self.status == "RUNNING":
            self.status = "ABORTED"  # the stack goes, and the execution with it

    def summary(self) -> dict:
        ledger = self.ledger
        return {
            "run_id": self.run_id,
            "status": self.status,
            "rows": ledger.rows if ledger else dict.fromkeys(_ROWS, 0),
            "quarantined_by_rule": ledger.quarantined_by_rule if ledger else {},
            "customers": ledger.customers if ledger else dict.fromkeys(_CUSTOMERS, 0),
            "sums": ledger.sums if ledger else {},
            "matched": ledger.matched if ledger else 0,
            "unmatched": ledger.unmatched if ledger else 0,
            "seconds": self.seconds,
            "seconds_to_balanced_ledger": self.seconds_to_balanced_ledger,
            "state_transitions": self.state_transitions,
            "data_api_calls": self.data_api_calls,
            "plan": self.plan,
            "nothing_to_do": self.nothing_to_do,
            "report": self.report,
            "error": self.error,
        }


def write(out: Path, outcome: Outcome) -> None:
    out.mkdir(parents=True, exist_ok=True)
    scratch = out / "summary.json.new"
    scratch.write_text(json.dumps(outcome.summary(), indent=2) + "\n")
    scratch.replace(out / "summary.json")


def clear(out: Path) -> None:
    """Removes what an earlier run left there, so that nobody takes it for this one's. Files of the user stay."""
    for file in [*(out / name for name in _FILES), *out.glob("clean/part-*.parquet"), *out.glob("quarantine/part-*.parquet")]:
        file.unlink(missing_ok=True)
