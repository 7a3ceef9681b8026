"""Pages of the reports that the page's own tests are made of."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from laptop import environment
from laptop.paths import ROOT

REPORTS = ROOT / "functions" / "report" / "tests" / "reports"
_RENDER = ["cargo", "run", "--quiet", "--locked", "-p", "report", "--example", "render", "--"]


@dataclass(frozen=True)
class Rendered:
    page: Path
    index: Path


def render(report: dict, folder: Path, name: str) -> Rendered:
    """The page of a report, and the index of its run and those before it."""
    source, page, index = (folder / f"{name}{ending}" for ending in (".json", ".html", "-index.html"))
    source.write_text(json.dumps(report))
    done = subprocess.run([*_RENDER, source, page, index], cwd=ROOT, env=environment.of_tools(), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{name} cannot be rendered: {done.stderr}")
    return Rendered(page, index)


def report(name: str) -> dict:
    return json.loads((REPORTS / f"{name}.json").read_text())


def names() -> list[str]:
    return sorted(file.stem for file in REPORTS.glob("*.json"))
