"""The data a run takes when it is given none: 500 customers and 10,000 transactions. Too large for the repository, and always the same bytes."""

import sys

from laptop.paths import ROOT, SAMPLES
from laptop.setup import child, stamp

_GENERATOR = ROOT / "samples" / "generate.py"


def stands() -> bool:
    return stamp.stands(SAMPLES, [_GENERATOR])


def ensure() -> None:
    stamp.ensure(SAMPLES, [_GENERATOR], lambda: child.run(sys.executable, _GENERATOR, "--rows", "10000", "--out", SAMPLES))
