"""`make doctor`: what a first run would trip over, line by line, on the laptop's stack or on one in AWS. It changes nothing and starts no run."""

import functools
from collections import Counter

from laptop.deployed import Client
from laptop.doctor import checkup
from laptop.doctor.chain import chain
from laptop.doctor.findings import FAIL, OK, SKIP, WARN
from laptop.screen import paint, say

_COLOURS = {OK: "green", WARN: "yellow", FAIL: "red", SKIP: "grey"}


def main(client: Client, stack: str) -> int:
    """The exit code is 0 if nothing has failed."""
    counted: Counter[str] = Counter()
    for subject, finding in checkup.run(chain(stack), functools.cache(client)):
        counted[finding.level] += 1
        say(f"{paint(f'{finding.level:<4}', _COLOURS[finding.level])}  {subject:<22} {finding.text}")
    say(f"\n{stack}: " + ", ".join(f"{counted[level]} {level}" for level in (OK, WARN, FAIL, SKIP) if counted[level]))
    return 1 if counted[FAIL] else 0
