"""A package of Debian's, for whoever is not root: it is unpacked into the checkout, not installed."""

import shutil
from pathlib import Path

from laptop.failure import Failure
from laptop.paths import CACHE
from laptop.setup import stamp


def unpack(package: str, folder: Path) -> None:
    """What the package would install lies below `folder` afterwards. A machine whose package lists are empty gets lists inside the checkout."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        stamp.command("apt-get", "download", package, cwd=folder)
    except Failure:
        lists = CACHE / "apt"
        (lists / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        options = ["-o", f"Dir::State::Lists={lists / 'lists'}", "-o", f"Dir::Cache={lists}", "-o", "Debug::NoLocking=true"]
        stamp.command("apt-get", *options, "update")
        stamp.command("apt-get", *options, "download", package, cwd=folder)
    archive = next(folder.glob("*.deb"))
    stamp.command("dpkg-deb", "--extract", archive, folder)
    archive.unlink()
