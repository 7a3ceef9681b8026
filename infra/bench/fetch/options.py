"""What a session measures: read once from the environment, where `make bench-fetch SIZE_MIB=…` puts it."""

from collections.abc import Mapping
from typing import NamedTuple

from laptop.failure import Failure

EMULATED, STATIC, SCAN = "emulated", "static", "scan"
LEGS = {EMULATED: "Azurite → ministack's S3", STATIC: "static files → S3 sink", SCAN: "the split scan alone"}


class Options(NamedTuple):
    size_mib: int  # of the blob
    repetitions: int
    legs: list[str]

    @property
    def size_bytes(self) -> int:
        return self.size_mib << 20


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

    legs = list(dict.fromkeys((environment.get("LEGS") or " ".join(LEGS)).split()))
    for leg in legs:
        if leg not in LEGS:
            raise Failure("InputInvalid", f"LEGS: there is no `{leg}`; known are {', '.join(LEGS)}")
    return Options(number("SIZE_MIB", "1024"), number("REPS", "3"), legs)
