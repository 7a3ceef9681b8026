"""bandit on the Python."""

import json
from pathlib import Path

from gates import tools
from gates.findings import Finding
from gates.project import Project

_FOLDERS = ("infra", "samples")


def check(project: Project) -> list[Finding]:
    folders = [project.root / folder for folder in _FOLDERS if (project.root / folder).exists()]
    said = json.loads(tools.run("bandit", "--quiet", "--recursive", "--format", "json", *folders, finds=frozenset({0, 1})).stdout)
    if said["errors"]:
        raise RuntimeError(f"bandit could not read {said['errors']}")
    return [
        Finding(result["test_id"], str(Path(result["filename"]).relative_to(project.root)), f"line {result['line_number']}: {result['issue_text']}")
        for result in said["results"]
    ]
