"""What is to go wrong, where: rules that wait for a statement, and the script that hands each statement to the rule that is due."""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar


class Misuse(Exception):
    """The script asks for what the proxy cannot do: the test is wrong, not the product."""


@dataclass(frozen=True)
class Rule:
    """Waits for statements whose text `match` finds, lets the first `skip` of them pass and acts on the next `times` (None: on all).

    call     runs `call()` while the statement is held, then loses the connection of client and server
    drop     loses the connection
    fail     has the server itself raise `sqlstate` in the statement's place; the transaction is then really aborted, a COMMIT too:
             nothing is committed, which is one way a COMMIT may end in 40001 and no stand-in for the others
    rewrite  runs `to(text)` in the statement's place

    call and drop act `before` the server has the statement, or `after` it has answered it to the last byte of which the client sees none.
    """

    match: str | re.Pattern[str]
    do: Literal["call", "drop", "fail", "rewrite"]
    when: Literal["before", "after"] = "before"
    times: int | None = 1
    skip: int = 0
    call: Callable[[], object] | None = None
    sqlstate: str = "40001"
    to: Callable[[str], str] | None = None

    def __post_init__(self) -> None:
        if self.do not in ("call", "drop", "fail", "rewrite") or self.when not in ("before", "after"):
            raise Misuse(f"no such rule: {self.do} {self.when}")
        if (self.do == "call") != (self.call is not None) or (self.do == "rewrite") != (self.to is not None):
            raise Misuse(f"a rule that does {self.do} has the wrong function")
        if self.replaces and self.when == "after":
            raise Misuse(f"{self.do} takes the statement's place, so there is no after")
        # 57P01 and its kin would make drivers give up the connection, but the server goes on: use drop.
        if not re.fullmatch("[0-9A-Z]{5}", self.sqlstate) or self.sqlstate.startswith(("00", "01", "02", "57P")):
            raise Misuse(f"{self.sqlstate} is no SQLSTATE of a failed statement")

    @property
    def replaces(self) -> bool:
        return self.do in ("fail", "rewrite")

    @property
    def lets_others_act(self) -> bool:
        return self.do == "rewrite"

    def replacement(self, text: str) -> str:
        if self.to is None:
            # With PostgreSQL's own words for the commonest of them: a Data API hands on the words, and no SQLSTATE.
            words = "could not serialize access due to concurrent update" if self.sqlstate == "40001" else "raised by the fault rig"
            return f"DO $fault$BEGIN RAISE EXCEPTION '{words}' USING ERRCODE = '{self.sqlstate}'; END$fault$"
        changed = self.to(text)
        if changed == text:
            raise Misuse(f"the rewriting changed nothing in {text[:200]!r}")
        return changed


def sealed(name: str, run_id: str | None = None) -> str:
    """Finds a statement of the sealed load by its name, of one run or of any."""
    run = r"\S+" if run_id is None else re.escape(run_id)
    return rf"\A\s*/\* crosstally {re.escape(name)} of {run} \*/"


def bare(text: str) -> str:
    """Finds a statement that is just this text, as a driver's own COMMIT is."""
    return rf"(?i)\A\s*{re.escape(text)}\s*;?\s*\Z"


def insert_into(table: str) -> str:
    """Finds Spark's INSERT into a table; `table` is itself a regular expression."""
    return rf'(?i)\A\s*INSERT\s+INTO\s+"?(?:{table})"?\s*\('


class Waiting(Protocol):
    """What a script needs to know of a rule, whatever protocol it breaks."""

    match: str | re.Pattern[str]
    times: int | None
    skip: int

    @property
    def lets_others_act(self) -> bool: ...


R = TypeVar("R", bound=Waiting)


class Due(Generic[R]):
    """A rule of a script, and how far it is."""

    def __init__(self, rule: R) -> None:
        self.rule = rule
        self.fired = 0
        self._seen = 0
        self._lock = threading.Lock()

    def takes(self, text: str) -> bool:
        with self._lock:
            last = None if self.rule.times is None else self.rule.skip + self.rule.times
            if self._seen == last or not re.search(self.rule.match, text):
                return False
            self._seen += 1
            return self._seen > self.rule.skip

    def done(self) -> None:
        """It has acted: what it was to break is broken."""
        with self._lock:
            self.fired += 1


class Script(Generic[R]):
    """Rules in their order. A statement goes to the first that is due; those behind it do not see it, except behind a rewrite,
    so that the load may break while one of its guards is off. All see the text as the client sent it."""

    def __init__(self, rules: Sequence[R] = ()) -> None:
        self.rules = [Due(rule) for rule in rules]

    def take(self, text: str) -> list[Due[R]]:
        """The rewrites of this statement, and at most one fault behind them."""
        taken = []
        for due in self.rules:
            if due.takes(text):
                taken.append(due)
                if not due.rule.lets_others_act:
                    break
        return taken
