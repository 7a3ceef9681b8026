"""What a session measures: read once from the environment, where `make bench-fold STAGED=…` puts it."""

from collections.abc import Mapping
from typing import NamedTuple

from bench.command import whole_number
from laptop.failure import Failure


class Options(NamedTuple):
    staged: int  # rows of the run that is loaded
    target: int  # rows that are in the table before it
    repetitions: int


def read(environment: Mapping[str, str]) -> Options:
    staged, target, repetitions = (whole_number(environment, name, default) for name, default in (("STAGED", "1000000"), ("TARGET", "10000000"), ("REPS", "3")))
    options = Options(staged, target, repetitions)
    if options.staged < 1000:
        raise Failure("InputInvalid", f"STAGED: {options.staged} rows are too few to have one of each kind; give 1000 or more")
    if options.target < options.staged:
        raise Failure("InputInvalid", f"TARGET: {options.target} rows are fewer than STAGED={options.staged}, which has most of its keys from there")
    return options
