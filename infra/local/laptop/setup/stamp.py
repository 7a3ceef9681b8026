"""Whether a part of the set-up stands, and stands for what it should."""

import contextlib
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from laptop.paths import ROOT, STAMPS, STATE


def stands(product: Path, made_from: Iterable[Path | str], name: str | None = None) -> bool:
    """Whether the stamp says that it was made to the end from the same content, in this very folder."""
    with contextlib.suppress(FileNotFoundError):
        return _stamp(product, name).read_text() == _hash([str(ROOT), *made_from]) and product.exists()
    return False


def ensure(product: Path, made_from: Iterable[Path | str], make: Callable[[], None], name: str | None = None) -> None:
    """Runs `make` unless it stands. The stamp is called after the product's folder, unless two parts share that."""
    made_from = list(made_from)
    if stands(product, made_from, name):
        return
    stamp = _stamp(product, name)
    stamp.unlink(missing_ok=True)
    make()
    STAMPS.mkdir(parents=True, exist_ok=True)
    stamp.write_text(_hash([str(ROOT), *made_from]))


def _stamp(product: Path, name: str | None) -> Path:
    return STAMPS / (name or product.relative_to(STATE).parts[0])


def _hash(parts: Iterable[Path | str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()
