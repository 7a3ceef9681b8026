"""The data a run takes when it is given none: 500 customers and 10,000 transactions. Too large for the repository, and always the same bytes."""

import sys

from laptop.paths import ROOT, SAMPLES
from laptop.setup import stamp

_GENERATOR = ROOT / "samples" / "generate.py"


def ensure() -> None:
    stamp.ensure(SAMPLES, [_GENERATOR], lambda: stamp.command(sys.executable, _GENERATOR, "--rows", "10000", "--out", SAMPLES))
