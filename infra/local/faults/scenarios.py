"""What is made to go wrong: at every statement of a load, in every state of Glue and the Data API, in the order of loads, and at once."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from faults.arena import Arena
from faults.rules import Rule, bare, insert_into, sealed

Order = Literal["in order", "older last", "the same at once", "another at once"]


@dataclass(frozen=True)
class Scenario:
    """v1 is loaded; then, with the faults, v2; then v3. `older last` loads v3 before v2; `at once` starts two executions side by side."""

    name: str
    mode: Literal["glue", "direct"]
    rules: Callable[[Arena], list[Rule]] = lambda _: []
    script: tuple[dict, ...] = ()
    order: Order = "in order"
    # A guard that is switched off, so that the scenario must do damage.
    guard: str | None = None


# Each statement of a load as a pattern that finds it.
FILL = insert_into(r"crosstally\.staging_[0-9a-f]+")
COPY = r"(?i)\A\s*COPY\s+.*\sFROM\s+STDIN"
COMMIT = bare("COMMIT")
SHARED = ["lock_ledger", "refuse_second_load", "create_target_schema", "create_target", "create_quarantine"]
FOLD = ["fold", "delete_replaced", "insert_rows", "insert_quarantine", "tally", "check_law", "insert_ledger"]
STAGE = ["create_staging", "create_staging_quarantine"]
BY_THE_JOB = {
    **{name: sealed(name) for name in ["create_crosstally_schema", "create_ledger", "drop_old_staging", "drop_old_staging_quarantine", *STAGE]},
    "fill staging": FILL,
    **{name: sealed(name) for name in [*SHARED, *FOLD]},
    "commit": COMMIT,
    **{name: sealed(name) for name in ["drop_staging", "drop_staging_quarantine"]},
}
BY_THE_DATA_API = {**{name: sealed(name) for name in [*SHARED, *STAGE]}, "copy": COPY, **{name: sealed(name) for name in FOLD}, "commit": COMMIT}
QUESTION = r"\A\s*SELECT l\.rows_read"


def _rules(*rules: Rule) -> Callable[[Arena], list[Rule]]:
    return lambda _: list(rules)


def _kill(match: str, when: Literal["before", "after"]) -> Callable[[Arena], list[Rule]]:
    return lambda arena: [Rule(match, "call", when, call=arena.kill_the_job)]


def _fault(operation: str, do: str, **more) -> dict:
    return {"operation": operation, "do": do, **more}


def _refuse(operation: str, code: str, **more) -> dict:
    return _fault(operation, "refuse", code=code, message=f"{code}, as it is scripted", **more)


def killed() -> list[Scenario]:
    """SIGKILL to the Spark process. Before the commit nothing may be there, after it everything, once."""
    points = [("fill staging", FILL), ("fold", sealed("fold")), ("insert_rows", sealed("insert_rows")), ("commit", COMMIT)]
    return [Scenario(f"SIGKILL {when} {name}", "glue", _kill(match, when)) for name, match in points for when in ("before", "after")]


def conflicts() -> list[Scenario]:
    """A serialization failure at every statement, PostgreSQL's 40001 for Redshift's 1023."""
    points = [("glue", BY_THE_JOB), ("direct", BY_THE_DATA_API)]
    # What carries data with it, a COPY or Spark's INSERT, cannot be replaced by another statement. It fills tables that nobody else knows.
    return [
        Scenario(f"40001 at {name}", mode, _rules(Rule(match, "fail")))
        for mode, statements in points
        for name, match in statements.items()
        if match not in (COPY, FILL)
    ]


def lost_connections() -> list[Scenario]:
    """The connection breaks before a statement has arrived, or after it was done and before its answer came back."""
    of_the_job = {name: BY_THE_JOB[name] for name in ("create_staging", "fill staging", "fold", "insert_ledger", "commit")}
    found = []
    for mode, statements in [("glue", of_the_job), ("direct", BY_THE_DATA_API)]:
        for name, match in statements.items():
            whens = ("before",) if match == COPY else ("before", "after")
            found += [Scenario(f"connection lost {when} {name}", mode, _rules(Rule(match, "drop", when))) for when in whens]
    return [*found, Scenario("connection lost before the question", "direct", _rules(Rule(QUESTION, "drop")))]


def states() -> list[Scenario]:
    """What Glue and the Data API can answer, and answers that are lost."""
    ends = [
        _fault("StartJobRun", "end_run", state=state, **({"message": message} if message else {}))
        for state, message in [("ERROR", None), ("FAILED", "LoadFailed: fold: disk full"), ("FAILED", "exit code 137"), ("STOPPED", None)]
        + [("TIMEOUT", None), ("EXPIRED", None), ("SUCCEEDED", None)]
    ]
    holds = [_fault("StartJobRun", "hold_run", state=state, seconds=1) for state in ("WAITING", "STARTING", "STOPPING")]
    of_glue = [
        *ends,
        *holds,
        *(_fault(operation, "lose_reply") for operation in ("StartJobRun", "GetJobRun", "GetJobRuns")),
        *(_refuse(operation, "ThrottlingException") for operation in ("StartJobRun", "GetJobRun", "GetJobRuns")),
        _refuse("StartJobRun", "ConcurrentRunsExceededException"),
        _refuse("GetJobRun", "EntityNotFoundException"),
    ]
    batch = "BatchExecuteStatement"
    of_the_data_api = [
        *(_fault(batch, "end_statement", status=status, error=error) for status, error in [("FAILED", "ERROR: disk full"), ("ABORTED", "cancelled")]),
        *(_fault(batch, "hold_statement", status=status, seconds=1) for status in ("SUBMITTED", "PICKED", "STARTED")),
        *(_fault(operation, "lose_reply") for operation in (batch, "ExecuteStatement", "DescribeStatement", "GetStatementResult")),
        *(_refuse(operation, "ThrottlingException") for operation in (batch, "ExecuteStatement", "DescribeStatement", "GetStatementResult")),
        _fault("DescribeStatement", "forget", skip=1),
        _fault("DescribeStatement", "forget", skip=2),
        _fault("GetStatementResult", "forget", skip=1),
    ]
    return [Scenario(_words(fault), mode, script=(fault,)) for mode, faults in [("glue", of_glue), ("direct", of_the_data_api)] for fault in faults]


def orders() -> list[Scenario]:
    found = []
    for mode in ("glue", "direct"):
        found += [Scenario(f"{order}", mode, order=order) for order in ("older last", "the same at once", "another at once")]
    # The older run is the one that meets the fault.
    found.append(Scenario("older last, its commit's answer lost", "direct", _rules(Rule(COMMIT, "drop", "after")), order="older last"))
    return [*found, Scenario("older last, killed before its commit", "glue", _kill(COMMIT, "before"), order="older last")]


def guards() -> list[Scenario]:
    """The rig turned on itself: each guard of the load is switched off in turn, and the damage must be seen."""

    def off(statement: str, old: str, new: str) -> Rule:
        return Rule(sealed(statement), "rewrite", times=None, to=lambda text: re.sub(old, new, text, flags=re.DOTALL))

    # In the place of a statement that has nothing to do any more, and behind the COPY.
    one = '(SELECT MAX("_source_offset") FROM crosstally_staging)'
    lose_a_row = Rule(sealed("fold"), "rewrite", to=lambda text: f'DELETE FROM crosstally_staging WHERE "_source_offset" = {one}; {text}')
    return [
        Scenario(
            "ledger key off, commit's answer lost",
            "direct",
            # The law would notice the second load's quarantine, so it is off as well; by itself that does no harm here.
            _rules(off("refuse_second_load", r"SELECT .*", "SELECT 1"), off("check_law", r"SELECT .*", "SELECT 0"), Rule(COMMIT, "drop", "after")),
            guard="ledger key",
        ),
        Scenario(
            "version check off, older last",
            "direct",
            _rules(off("fold", r"l\.source_modified_at > CAST\('[^']*' AS TIMESTAMPTZ\)", "FALSE")),
            order="older last",
            guard="version check",
        ),
        Scenario(
            "transaction off, connection lost before insert_rows",
            "direct",
            _rules(
                # The driver wants to hear that a command was done; any will do.
                Rule(bare("BEGIN"), "rewrite", times=None, to=lambda _: "SET application_name TO 'each statement by itself'"),
                off("lock_ledger", r"LOCK .*", "SELECT 1"),
                Rule(sealed("insert_rows"), "drop", times=None),
            ),
            guard="transaction",
        ),
        Scenario(
            "staging dedup off",
            "direct",
            _rules(off("fold", r"ROW_NUMBER\(\) OVER \(.*?\) AS _rank", "1 AS _rank")),
            guard="staging dedup",
        ),
        Scenario(
            "law off, a staged row lost",
            "direct",
            _rules(lose_a_row, off("check_law", r"SELECT .*", "SELECT 0")),
            guard="law",
        ),
    ]


def full() -> list[Scenario]:
    return [*killed(), *conflicts(), *lost_connections(), *states(), *orders()]


def short() -> list[Scenario]:
    """One of each kind, for every change."""
    wanted = {
        ("glue", "SIGKILL before commit"),
        ("glue", "connection lost after commit"),
        ("glue", "40001 at insert_rows"),
        ("direct", "connection lost after commit"),
        ("direct", "40001 at fold"),
        ("direct", "older last"),
        ("direct", "another at once"),
        ("direct", "the same at once"),
    }
    return [scenario for scenario in full() if (scenario.mode, scenario.name) in wanted]


def _words(fault: dict) -> str:
    detail = fault.get("code") or fault.get("state") or fault.get("status") or ""
    after = f" after {fault['skip']}" if fault.get("skip") else ""
    message = f" ({fault['message']})" if fault["do"] == "end_run" and fault.get("message") else ""
    return f"{fault['operation']}: {fault['do']} {detail}".strip() + message + after
