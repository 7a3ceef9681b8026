"""Runs checks one after the other. None stops the others, unless they build on what it was to find."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from laptop.deployed import Client
from laptop.doctor import refusals
from laptop.doctor.findings import NOTHING, Finding, Look, fail, skip
from laptop.failure import Failure


@dataclass(frozen=True)
class Check:
    subject: str
    look: Callable[..., Look]  # takes the client, then the facts that it needs
    needs: tuple[str, ...] = ()  # subjects of checks before it


def run(checks: Sequence[Check], client: Client) -> Iterator[tuple[str, Finding]]:
    """Subject and finding of each line."""
    facts: dict[str, object] = {}
    causes: dict[str, str] = {}  # of each subject without a fact, the one that it comes from
    for check in checks:
        needed = [facts[need] for need in check.needs]
        if NOTHING in needed:
            facts[check.subject] = NOTHING
        elif missing := [need for need in check.needs if facts[need] is None]:
            facts[check.subject], causes[check.subject] = None, causes[missing[0]]
            yield check.subject, skip(f"not looked at, since it builds on: {causes[check.subject]}")
        else:
            facts[check.subject] = yield from _carry_out(check, client, needed)
            causes[check.subject] = check.subject


def _carry_out(check: Check, client: Client, needed: list) -> Iterator[tuple[str, Finding]]:
    looking = check.look(client, *needed)
    while True:
        try:
            finding = next(looking)
        except StopIteration as end:
            return end.value
        except (BotoCoreError, ClientError) as error:
            yield check.subject, refusals.explain(error)
            return None
        except Failure as failure:
            yield check.subject, fail(failure.message.rstrip("."), "correct that, and look again")
            return None
        except Exception as error:
            # An answer of a form that nobody has thought of. Its words stay out: they may hold what was read.
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{place.name}, line {place.lineno} of {Path(place.filename).name}"
            yield check.subject, fail(f"this check itself failed with {type(error).__name__} in {where}", "look there; the other checks are not touched")
            return None
        yield check.subject, finding
