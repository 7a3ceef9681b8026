"""checkov, in this process and without its platform, on every stack of both deployments."""

import json
import logging
import tempfile
from collections import defaultdict
from pathlib import Path

from gates.deployment import Stack
from gates.findings import Finding
from gates.project import Project


def check(project: Project) -> list[Finding]:
    # Imported here: it takes seconds, and the other gates do without.
    logging.disable(logging.WARNING)
    from checkov.cloudformation.runner import Runner
    from checkov.runner_filter import RunnerFilter

    with tempfile.TemporaryDirectory() as folder:
        for deployment, stacks in project.deployments.items():
            for stack in stacks:
                (Path(folder) / _file(deployment, stack)).write_text(json.dumps(stack.settled(), indent=1), encoding="utf-8")
        report = Runner().run(root_folder=folder, runner_filter=RunnerFilter(framework=["cloudformation"]))
    if report.parsing_errors:
        raise RuntimeError(f"checkov could not read {report.parsing_errors}")
    failed, looked_at = defaultdict(list), set()
    for record in report.failed_checks + report.passed_checks:
        looked_at.add(Path(record.file_path).name)
    for record in report.failed_checks:
        failed[Path(record.file_path).name].append((record.check_id, record.resource.rsplit(".", 1)[-1], "", record.check_name))
    # It says nothing of a stack without a resource that it has a check for; the root is none such.
    unread = {_file(deployment, stacks[0]) for deployment, stacks in project.deployments.items()} - looked_at
    if unread:
        raise RuntimeError(f"checkov has looked at nothing in {sorted(unread)}")
    return project.in_every_stack(lambda deployment, stack: failed[_file(deployment, stack)])


def _file(deployment: str, stack: Stack) -> str:
    return f"{deployment}-{stack.name}.json"
