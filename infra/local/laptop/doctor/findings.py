"""What a check finds: one line each, that something is in order, or what is wrong and what to do."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final

OK, WARN, FAIL, SKIP = "ok", "warn", "FAIL", "skip"


@dataclass(frozen=True)
class Finding:
    level: str
    text: str


def ok(text: str) -> Finding:
    return Finding(OK, text)


def warn(what: str, advice: str) -> Finding:
    """What works today and breaks soon, or may be meant so."""
    return Finding(WARN, f"{what}: {advice}")


def fail(what: str, advice: str) -> Finding:
    return Finding(FAIL, f"{what}: {advice}")


def skip(why: str) -> Finding:
    return Finding(SKIP, why)


class _Nothing:
    def __repr__(self) -> str:
        return "NOTHING"


# What a check returns whose object there need not be; the checks that build on it have nothing to say then.
NOTHING: Final = _Nothing()

# A check yields its findings and returns the fact that others build on: None if it found none, so that they cannot go on.
Look = Generator[Finding, None, Any]
