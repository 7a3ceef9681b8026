"""parliament on every policy document of every stack: unknown actions and conditions, malformed ARNs, resources that do not fit the action."""

import json
from collections.abc import Iterator
from typing import Any

import parliament

from gates.deployment import Stack
from gates.findings import Finding
from gates.project import Project

_OF_THEIR_OWN = {"AssumeRolePolicyDocument", "KeyPolicy"}
_DOCUMENTS = {"PolicyDocument", "ResourcePolicy"} | _OF_THEIR_OWN


def check(project: Project) -> list[Finding]:
    return project.in_every_stack(_check_stack)


def _check_stack(_: str, stack: Stack) -> Iterator[tuple[str, str, str, str]]:
    for name, resource in stack.concrete().items():
        for way, document in _documents(resource.get("Properties", {}), ()):
            for rule, place, message in _faults(way, document, stack.arn(name)):
                yield rule, name, f".{place}", message


def _documents(node: Any, way: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    match node:
        case dict():
            for key, value in node.items():
                if key in _DOCUMENTS and isinstance(value, dict):
                    yield (*way, node.get("PolicyName", key)), value
                else:
                    yield from _documents(value, way)
        case list():
            for value in node:
                yield from _documents(value, way)


def _faults(way: tuple[str, ...], document: dict[str, Any], own_arn: str) -> Iterator[tuple[str, str, str]]:
    # Statement by statement, so that a finding says which.
    for number, statement in enumerate(document["Statement"]):
        place = ".".join((*way, str(statement.get("Sid", number))))
        # A trust policy names no resource and a key's policy only "*": both mean the very thing that they stand in.
        asked = {**statement, "Resource": own_arn} if way[-1] in _OF_THEIR_OWN else statement
        policy = parliament.analyze_policy_string(json.dumps({**document, "Statement": [asked]}))
        for finding in policy.findings:
            detail = finding.detail if isinstance(finding.detail, str) else json.dumps(finding.detail, default=str)
            at = finding.location.get("string", "") if isinstance(finding.location, dict) else ""
            yield finding.issue, place, " ".join(filter(None, (parliament.enhance_finding(finding).title, detail, at)))
    identities = [statement["Sid"] for statement in document["Statement"] if "Sid" in statement]
    for twice in sorted({one for one in identities if identities.count(one) > 1}):
        yield "DUPLICATE_SID", ".".join((*way, twice)), "is the Sid of two statements"
