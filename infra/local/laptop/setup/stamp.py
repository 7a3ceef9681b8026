"""Whether a part of the set-up stands, and stands for what it should."""

import contextlib
import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from laptop.failure import Failure
from laptop.paths import ROOT, STAMPS, STATE

SETUP_LOG = STATE / "logs" / "setup.log"


def ensure(product: Path, made_from: Iterable[Path | str], make: Callable[[], None]) -> None:
    """Runs `make` unless the stamp says that it ended well for the same content, in this very folder."""
    name = product.relative_to(STATE).parts[0]
    stamp, wanted = STAMPS / name, _hash([str(ROOT), *made_from])
    with contextlib.suppress(FileNotFoundError):
        if stamp.read_text() == wanted and product.exists():
            return
    stamp.unlink(missing_ok=True)
    started = time.monotonic()
    say(f"{name} ...")
    make()
    STAMPS.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted)
    say(f"{name} done in {time.monotonic() - started:.0f} s")


def command(*words: Path | str, **options) -> None:
    """Runs one command of the set-up; its output goes to the set-up's log, whose end is shown when it fails."""
    SETUP_LOG.parent.mkdir(parents=True, exist_ok=True)
    with SETUP_LOG.open("a") as log:
        log.write(f"$ {' '.join(map(str, words))}\n")
        log.flush()
        ended = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **options)
    if ended.returncode != 0:
        tail = "\n".join(SETUP_LOG.read_text(errors="replace").splitlines()[-12:])
        raise Failure("SetupFailed", f"`{Path(words[0]).name} {words[1]}` ended with exit code {ended.returncode}:\n{tail}", [SETUP_LOG])


def say(text: str) -> None:
    print(f"set-up: {text}", file=sys.stderr, flush=True)


def _hash(parts: Iterable[Path | str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()
