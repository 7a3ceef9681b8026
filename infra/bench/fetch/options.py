"""What a session measures: read once from the environment, where `make bench-fetch SIZE_MIB=…` puts it."""

from collections.abc import Mapping
from typing import NamedTuple

from bench.command import whole_number, words

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
    return Options(whole_number(environment, "SIZE_MIB", "1024"), whole_number(environment, "REPS", "3"), words(environment, "LEGS", list(LEGS)))
