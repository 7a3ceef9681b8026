"""`make locks`: writes the locks anew. Pins in the *.txt files and versions in the locks stay as they are where they can; all else is the newest."""

import sys

from laptop.failure import Failure
from laptop.paths import LOCAL_FOLDER, ROOT
from laptop.setup import uv

# The tests' lock comes after that of the stack, which it may not contradict.
_NAMES = ("uv", "compiler", "zig", "sam", "lint", "pages", "datacontract", "fallback")
_REQUIREMENTS = [
    LOCAL_FOLDER / "requirements.txt",
    LOCAL_FOLDER / "requirements-tests.txt",
    *(LOCAL_FOLDER / f"requirements-{name}.txt" for name in _NAMES),
    ROOT / "infra" / "bench" / "requirements.txt",
]
# The fallbacks are unpacked, not imported; cargo-lambda needs zig only to build for another machine.
_WITHOUT_WHAT_THEY_NEED = ("requirements-fallback", "requirements-compiler")
# For every system and from this Python on, whichever it is run under. What lint needs does not run on 3.11.0 to 3.11.4.
_FOR = ("--universal", "--python-version", "3.11.5")


def main() -> int:
    try:
        uv.ensure()
        for requirements in _REQUIREMENTS:
            lock = requirements.with_suffix(".lock")
            options = ["--no-deps"] if requirements.stem in _WITHOUT_WHAT_THEY_NEED else []
            uv.run("pip", "compile", "--quiet", *_FOR, "--generate-hashes", "--custom-compile-command", "make locks", *options, requirements, "-o", lock)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
