"""The files of a run: the samples, or the user's own."""

from dataclasses import dataclass
from pathlib import Path

from laptop.failure import Failure
from laptop.paths import SAMPLES


@dataclass(frozen=True)
class Inputs:
    customers: Path = SAMPLES / "customers.csv"
    transactions: Path = SAMPLES / "transactions.json"
    contract: Path | None = None

    def check(self) -> None:
        for name, path in (("CUSTOMERS", self.customers), ("TRANSACTIONS", self.transactions), ("CONTRACT", self.contract)):
            # The samples are made by the set-up, which comes later.
            if path is None or path.parent == SAMPLES:
                continue
            if not path.is_file():
                kind = "is a folder, not a file" if path.is_dir() else "does not exist"
                raise Failure("InputMissing", f"{name}: {path} {kind}; give the path of a file that can be read")
            try:
                path.open("rb").close()
            except OSError as error:
                raise Failure("InputMissing", f"{name}: {path} cannot be read: {error.strerror}; give the path of a file that can be read") from error
