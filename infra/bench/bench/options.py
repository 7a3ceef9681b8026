"""What a session measures: read once from the environment, where `make bench SIZES=…` puts it."""

from collections.abc import Mapping
from typing import NamedTuple

from laptop.failure import Failure

from bench.command import words

ENGINE, LIMIT = "crosstally", "parse_only"
# The engine without the profile of its columns: what that costs.
PLAIN = "no_profile"
PEERS = ["duckdb", "polars", "pandas"]
FORMS = {"array": "transactions.json", "ndjson": "transactions.ndjson"}


class Options(NamedTuple):
    sizes: list[int]
    forms: list[str]
    tools: list[str]
    threads: list[int]
    repetitions: dict[int, int]  # by size
    limit_gib: float
    timeout_seconds: float


def read(environment: Mapping[str, str], processors: int) -> Options:
    def numbers(name: str, default: str) -> list[float]:
        try:
            found = [float(word.replace("_", "")) for word in (environment.get(name) or default).split()]
        except ValueError:
            found = []
        if not found or min(found) <= 0:
            raise Failure("InputInvalid", f"{name}: give numbers above 0, separated by spaces, not `{environment.get(name)}`")
        return found

    sizes = [int(size) for size in numbers("SIZES", "1000000 10000000")]
    repetitions = [int(number) for number in numbers("REPS", "3 1")]
    threads = [int(number) for number in numbers("THREADS", " ".join(str(n) for n in (1, 2) if n <= processors))]
    if max(threads) > processors:
        raise Failure("InputInvalid", f"THREADS: {max(threads)} threads need as many processors, and here are {processors}")
    return Options(
        sizes=sizes,
        forms=words(environment, "FORMS", list(FORMS)),
        tools=words(environment, "TOOLS", [ENGINE, PLAIN, *PEERS, LIMIT]),
        threads=threads,
        # One number a size; the last one goes for the rest.
        repetitions={size: repetitions[min(at, len(repetitions) - 1)] for at, size in enumerate(sizes)},
        limit_gib=numbers("LIMIT_GIB", "12")[0],
        timeout_seconds=numbers("TIMEOUT", "1800")[0],
    )
