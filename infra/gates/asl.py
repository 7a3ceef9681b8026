"""asl-validator on the definition as it is deployed."""

import json
import re
import tempfile
from pathlib import Path

from gates import tools
from gates.findings import Finding
from gates.project import Project


def check(project: Project) -> list[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "definition.json"
        file.write_text(json.dumps(project.definition), encoding="utf-8")
        said = tools.run("asl-validator", "--json-path", file, finds=frozenset({0, 1}))
    if said.returncode == 0:
        return []
    lines = [line.strip(" -") for line in re.sub(r"\x1b\[\d*m", "", said.stdout + said.stderr).splitlines() if line.strip()]
    # The first line names the file and says that it is not valid; each of the others is a fault.
    return [Finding("asl", "statemachine.asl.json", line) for line in lines[1:] or lines]
