"""What a session measures: read once from the environment, where `make bench-fold STAGED=…` puts it."""

from collections.abc import Mapping
from typing import NamedTuple

from laptop.failure import Failure


class Options(NamedTuple):
    staged: int  # rows of the run that is loaded
    target: int  # rows that are in the table before it
    repetitions: int


def read(environment: Mapping[str, str]) -> Options:
    def number(name: str, default: str) -> int:
        given = environment.get(name) or default
        try:
            found = int(given.replace("_", ""))
        except ValueError:
            found = 0
        if found <= 0:
            raise Failure("InputInvalid", f"{name}: give a whole number above 0, not `{given}`")
        return found

    options = Options(number("STAGED", "1000000"), number("TARGET", "10000000"), number("REPS", "3"))
    if options.staged < 1000:
        raise Failure("InputInvalid", f"STAGED: {options.staged} rows are too few to have one of each kind; give 1000 or more")
    if options.target < options.staged:
        raise Failure("InputInvalid", f"TARGET: {options.target} rows are fewer than STAGED={options.staged}, which has most of its keys from there")
    return options
