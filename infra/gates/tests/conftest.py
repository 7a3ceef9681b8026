"""A copy of the project to plant mistakes in."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from gates.__main__ import GATES, ROOT, run
from gates.findings import Finding
from gates.project import Project


@dataclass
class Copy:
    """What the gates read, in a folder that may be spoiled."""

    root: Path

    @property
    def project(self) -> Project:
        return Project(self.root)

    def replace(self, path: str, old: str, new: str) -> None:
        """In one place; that it is there, and once, is part of the test."""
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{path} has {text.count(old)} times: {old!r}"
        file.write_text(text.replace(old, new), encoding="utf-8")

    def plant(self, path: str, section: str, entry: str) -> None:
        """A new entry at the head of a template's section."""
        self.replace(path, f"\n{section}:\n", f"\n{section}:\n{entry}\n")

    def append(self, path: str, text: str) -> None:
        with (self.root / path).open("a", encoding="utf-8") as file:
            file.write(text)

    def open_findings(self, gate: str) -> list[Finding]:
        """What `make lint` would show of this gate."""
        assert gate in GATES
        return run(gate, self.project)


def copy_of_project(root: Path) -> Copy:
    for name in ("template.yaml", "statemachine.asl.json", "samconfig.toml", ".cfnlintrc", "deny.toml", "Cargo.toml", "Cargo.lock"):
        shutil.copy(ROOT / name, root)
    shutil.copytree(ROOT / "infra" / "guard", root / "infra" / "guard")
    for template in (ROOT / "infra").glob("*.yaml"):
        shutil.copy(template, root / "infra")
    shutil.copytree(ROOT / "functions", root / "functions", ignore=shutil.ignore_patterns("fuzz", "golden", "testdata"))
    return Copy(root)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return copy_of_project(tmp_path)


@pytest.fixture(scope="module")
def shared_copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """For a gate that takes seconds: all mistakes in one copy, each told by its own name."""
    return copy_of_project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def rules_at() -> Callable[[list[Finding], str], set[str]]:
    """The rules that speak of a place."""
    return lambda found, place: {finding.rule for finding in found if place in finding.where}
