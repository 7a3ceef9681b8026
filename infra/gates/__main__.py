"""`python -m gates [NAME...]`: runs the gates, all unless some are named, and prints one line for each: ok, or how many findings and then each of them."""

import argparse
import importlib
import subprocess
import sys
import time
from pathlib import Path

from gates import findings
from gates.findings import Finding
from gates.project import Project

ROOT = Path(__file__).resolve().parents[2]
# Name, as accepted.yaml has it → the module that does it. The quick ones come first.
GATES = {
    "wiring": "wiring",
    "samconfig": "samconfig",
    "jsonata": "jsonata",
    "parliament": "policies",
    "cfn-guard": "guard",
    "asl-validator": "asl",
    "cargo-deny": "dependencies",
    "bandit": "python_code",
    "cfn-lint": "lint",
    "checkov": "checkov",
}


def run(name: str, project: Project) -> list[Finding]:
    """What one gate finds and nobody has accepted."""
    found = importlib.import_module(f"gates.{GATES[name]}").check(project)
    return findings.settle(found, findings.read(project.root, name))


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="gates", description="The offline gates.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(GATES)}; all when none is given")
    names = parser.parse_args(words).names or list(GATES)
    if unknown := [name for name in names if name not in GATES]:
        parser.error(f"there is no gate {unknown[0]}; there are {', '.join(GATES)}")
    findings.check_names(ROOT, GATES)
    project, red = Project(ROOT), 0
    for name in names:
        started = time.monotonic()
        try:
            found = run(name, project)
            verdict = f"{len(found)} findings" if found else "ok"
        except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
            found, verdict = [Finding("not-judged", name, str(error))], "not judged"
        red += bool(found)
        print(f"{name:<14} {verdict:<12} {time.monotonic() - started:5.1f} s", flush=True)
        for finding in found:
            print(f"  {finding}", flush=True)
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
