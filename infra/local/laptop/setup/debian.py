"""Packages of Debian's, for whoever is not root: they are unpacked into the checkout, not installed."""

import shutil
from pathlib import Path

from laptop.failure import Failure
from laptop.paths import CACHE
from laptop.setup import child


def unpack(package: str, folder: Path) -> None:
    """What the package would install lies below `folder` afterwards."""
    _fetch_and_extract(["download", package], folder)


def unpack_with_dependencies(package: str, folder: Path) -> None:
    """The package, and all that it depends on and the machine has not installed."""
    options = ["--yes", "--no-install-recommends", "--download-only", "-o", f"Dir::Cache::archives={folder}"]
    _fetch_and_extract(["install", *options, package], folder)


def _fetch_and_extract(words: list[str], folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "partial").mkdir(parents=True)
    _fetch(words, folder)
    for archive in folder.glob("*.deb"):
        child.run("dpkg-deb", "--extract", archive, folder)
        archive.unlink()
    shutil.rmtree(folder / "partial")


def _fetch(words: list[str], folder: Path) -> None:
    """Packages come into `folder`. A machine whose package lists are empty or old gets lists inside the checkout."""
    unlocked = ["-o", "Debug::NoLocking=true"]
    try:
        child.run("apt-get", *unlocked, *words, cwd=folder)
    except Failure:
        lists = CACHE / "apt"
        (lists / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        options = [*unlocked, "-o", f"Dir::State::Lists={lists / 'lists'}", "-o", f"Dir::Cache={lists}"]
        child.run("apt-get", *options, "update")
        child.run("apt-get", *options, *words, cwd=folder)
