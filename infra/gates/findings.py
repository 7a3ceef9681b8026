"""Findings, and the list of those that are accepted with a reason."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

ACCEPTED = Path("infra/guard/accepted.yaml")


@dataclass(frozen=True, order=True)
class Finding:
    """What is wrong: the rule that says so, where, and what to do about it."""

    rule: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule}  {self.where}: {self.message}"


@dataclass(frozen=True)
class Acceptance:
    """Findings of one rule that stay, in the places that these patterns name."""

    rule: str
    places: tuple[str, ...]
    reason: str


def read(root: Path, gate: str) -> list[Acceptance]:
    """The acceptances of one gate. A reason is more than a word, and no place is named by a pattern for everything."""
    file = root / ACCEPTED
    entries = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get(gate) or []
    accepted = [Acceptance(entry["rule"], tuple(entry["where"]), entry["reason"]) for entry in entries]
    for entry in accepted:
        if len(entry.reason.split()) < 5:
            raise ValueError(f"{ACCEPTED}: {gate}: {entry.rule} is accepted without a reason; say in a sentence why it may stay")
        if not entry.places or "*" in entry.places:
            raise ValueError(f"{ACCEPTED}: {gate}: {entry.rule} is accepted everywhere; name the places")
    return accepted


def settle(found: Iterable[Finding], accepted: Iterable[Acceptance]) -> list[Finding]:
    """What remains to be mended: findings that nobody accepted, and acceptances that meet nothing any more."""
    open_findings = {*found}
    stale = []
    remaining = set(open_findings)
    for entry in accepted:
        for place in entry.places:
            met = {finding for finding in open_findings if finding.rule == entry.rule and fnmatchcase(finding.where, place)}
            remaining -= met
            if not met:
                stale.append(Finding(entry.rule, place, f"is accepted in {ACCEPTED} and no longer found; take the acceptance out"))
    return sorted(remaining) + stale


def check_names(root: Path, gates: Iterable[str]) -> None:
    """An acceptance under a misspelt gate would be for nothing."""
    unknown = (yaml.safe_load((root / ACCEPTED).read_text(encoding="utf-8")) or {}).keys() - {*gates}
    if unknown:
        raise ValueError(f"{ACCEPTED}: there is no gate {', '.join(sorted(unknown))}")
