"""Templates as they are written, and the root with its SAM transform expanded."""

import copy
import os
from pathlib import Path
from typing import Any

from samtranslator.translator.transform import transform

from gates.cloudformation import read

REGION = "us-east-1"
ROOT_TEMPLATE = "template.yaml"
STACK = "AWS::CloudFormation::Stack"


def nested(template: dict[str, Any]) -> dict[str, str]:
    """Logical id of a nested stack → the template's path."""
    return {name: resource["Properties"]["TemplateURL"] for name, resource in template["Resources"].items() if resource["Type"] == STACK}


def all_of(root: Path) -> dict[str, dict[str, Any]]:
    """Path → template: the root and every nested one, however deep."""
    templates: dict[str, dict[str, Any]] = {}
    waiting = [ROOT_TEMPLATE]
    while waiting:
        path = waiting.pop(0)
        if path not in templates:
            templates[path] = read(root / path)
            waiting += [str((Path(path).parent / url).as_posix()) for url in nested(templates[path]).values()]
    return templates


class _NoManagedPolicies:
    """The roles here list their own statements; a managed policy's ARN would be asked of AWS."""

    def load(self) -> dict[str, str]:
        return {}


def expand(template: dict[str, Any], definition: dict[str, Any]) -> dict[str, Any]:
    """The template as CloudFormation gets it: no transform, and the state machine's definition in its place instead of a file's path."""
    # The translator asks boto3 for the Region that it writes ARNs with.
    os.environ.setdefault("AWS_DEFAULT_REGION", REGION)
    source = copy.deepcopy(template)
    for resource in source["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://artifacts/function.zip"
        elif resource["Type"] == "AWS::Serverless::StateMachine":
            resource["Properties"]["DefinitionUri"] = "s3://artifacts/definition.json"
    globals_ = source.get("Globals", {}).get("Function", {})
    if "CodeUri" in globals_:
        globals_["CodeUri"] = "s3://artifacts/function.zip"
    expanded = transform(source, {}, _NoManagedPolicies())
    for resource in expanded["Resources"].values():
        if resource["Type"] == "AWS::StepFunctions::StateMachine":
            properties = resource["Properties"]
            for field in ("DefinitionS3Location", "DefinitionSubstitutions"):
                properties.pop(field, None)
            properties["Definition"] = definition
    return expanded
