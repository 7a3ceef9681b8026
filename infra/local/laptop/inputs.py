"""The files of a run: the samples, or the user's own."""

from dataclasses import dataclass
from pathlib import Path

from laptop.failure import Failure
from laptop.paths import ROOT


@dataclass(frozen=True)
class Inputs:
    customers: Path = ROOT / "samples" / "customers.csv"
    transactions: Path = ROOT / "samples" / "transactions.json"
    contract: Path | None = None

    def check(self) -> None:
        for name, path in (("CUSTOMERS", self.customers), ("TRANSACTIONS", self.transactions), ("CONTRACT", self.contract)):
            if path is None:
                continue
            if not path.is_file():
                kind = "is a folder, not a file" if path.is_dir() else "does not exist"
                raise Failure("InputMissing", f"{name}: {path} {kind}; give the path of a file that can be read")
            try:
                path.open("rb").close()
            except OSError as error:
                raise Failure("InputMissing", f"{name}: {path} cannot be read: {error.strerror}; give the path of a file that can be read") from error
