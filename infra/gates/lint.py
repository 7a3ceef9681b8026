"""cfn-lint on every template as it is written, and on the expanded root with the state machine inside it: only there does it read the definition (E3601)."""

import json
import tempfile
from pathlib import Path

import yaml

from gates import tools
from gates.findings import Finding
from gates.project import Project

# A bit for each severity that it has found: errors 2, warnings 4, information 8.
_FINDS = frozenset(range(0, 15, 2))
_EXPANDED = "template.yaml, expanded"
# Asked of the templates as they are written: a parameter that only a substitution uses is gone here, and nested stacks are not uploaded yet.
_ASKED_BEFORE = ("W2001", "W3002")


def check(project: Project) -> list[Finding]:
    return written(project) + expanded(project)


def written(project: Project) -> list[Finding]:
    """By the project's own .cfnlintrc, whose list of templates must be the list of all that there are."""
    found = []
    listed = yaml.safe_load((project.root / ".cfnlintrc").read_text(encoding="utf-8"))["templates"]
    for path in project.written:
        if path not in listed:
            found.append(Finding("cfnlintrc", path, "is not in the list of .cfnlintrc, so nobody else's cfn-lint reads it; add it there"))
    return found + _findings(tools.run("cfn-lint", "--format", "json", cwd=project.root, finds=_FINDS).stdout)


def expanded(project: Project) -> list[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "expanded.json"
        file.write_text(json.dumps(project.expanded, indent=1), encoding="utf-8")
        # From there, so that no .cfnlintrc names other templates.
        said = tools.run("cfn-lint", "--format", "json", "--ignore-checks", *_ASKED_BEFORE, "--template", file.name, cwd=file.parent, finds=_FINDS).stdout
    return _findings(said, _EXPANDED)


def _findings(said: str, name: str | None = None) -> list[Finding]:
    found = []
    for match in json.loads(said):
        way = ".".join(map(str, match["Location"].get("Path") or []))
        where = f"{name or match['Filename']}:{way}" if way else f"{name or match['Filename']}:{match['Location']['Start']['LineNumber']}"
        found.append(Finding(match["Rule"]["Id"], where, match["Message"]))
    return found
