"""cfn-guard with the rules of infra/guard, on every stack of both deployments."""

import json
import platform
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from laptop.paths import LINT_NPM

from gates import tools
from gates.deployment import Stack
from gates.findings import Finding
from gates.project import Project

RULES = Path("infra/guard/rules.guard")
# It found nothing, or something; anything else is a failure, such as a rule that does not parse.
_FINDS = frozenset({0, 19})


def check(project: Project) -> list[Finding]:
    reports = _run(project)
    return project.in_every_stack(lambda deployment, stack: _faults(reports[_file(deployment, stack)]))


def rule_names(root: Path) -> list[str]:
    return re.findall(r"^rule (\w+)", (root / RULES).read_text(encoding="utf-8"), flags=re.MULTILINE)


def program() -> Path:
    """AWS publishes cfn-guard for npm inside the CDK's plug-in only: the binaries of release 3.1.1, for Linux and macOS."""
    system = {"Linux": "ubuntu", "Darwin": "macos"}[platform.system()]
    processor = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())
    return LINT_NPM / "node_modules" / "@cdklabs" / "cdk-validator-cfnguard" / "bin" / system / processor / "cfn-guard"


def _run(project: Project) -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        for deployment, stacks in project.deployments.items():
            for stack in stacks:
                (Path(folder) / _file(deployment, stack)).write_text(json.dumps(stack.settled()), encoding="utf-8")
        words = ("validate", "--rules", project.root / RULES, "--data", folder, "--structured", "--output-format", "json", "--show-summary", "none")
        said = tools.run(program(), *words, finds=_FINDS)
    reports = {Path(report["name"]).name: report for report in json.loads(said.stdout)}
    if said.stderr.strip():
        raise RuntimeError(f"cfn-guard could not do its work: {said.stderr.strip()[-2000:]}")
    return reports


def _file(deployment: str, stack: Stack) -> str:
    return f"{deployment}-{stack.name}.json"


def _faults(report: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for entry in report["not_compliant"]:
        rule = entry["Rule"]["name"]
        faults = {fault for fault in map(_fault, _clauses(entry)) if fault}
        if not faults:
            raise RuntimeError(f"{RULES}: a clause of {rule} failed and says nothing: give each of its clauses a << >> message")
        for resource, message in sorted(faults):
            yield rule, resource, "", message


def _clauses(node: Any) -> Iterator[dict[str, Any]]:
    """The clauses that failed, however deep in blocks and disjunctions; and among them what their queries have compared on the way."""
    match node:
        case {"messages": dict(), "check": _}:
            yield node
        case dict():
            for value in node.values():
                yield from _clauses(value)
        case list():
            for value in node:
                yield from _clauses(value)


def _fault(clause: dict[str, Any]) -> tuple[str, str] | None:
    message = (clause["messages"].get("custom_message") or "").strip()
    # The way to what was looked at, or to where the way ended. What a query has compared on the way has no message of ours.
    path = re.search(r'"path": "/Resources/(\w+)', json.dumps(clause["check"]))
    return (path[1] if path else "Resources", message) if message else None
