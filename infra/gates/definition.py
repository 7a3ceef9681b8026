"""The state machine's definition as the deployed one reads: its placeholders filled with what the template substitutes."""

import json
import re
from pathlib import Path
from typing import Any

from gates.deployment import Stack

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
STATE_MACHINE = "AWS::Serverless::StateMachine"


def resource(template: dict[str, Any]) -> dict[str, Any]:
    """The one state machine of the template."""
    (machine,) = [entry for entry in template["Resources"].values() if entry["Type"] == STATE_MACHINE]
    return machine["Properties"]


def read(root: Path, stack: Stack) -> dict[str, Any]:
    """The definition of this stack, read from the file that the template names."""
    properties = resource(stack.template)
    text = (root / stack.file).parent.joinpath(properties["DefinitionUri"]).read_text(encoding="utf-8")
    return json.loads(fill(text, stack.concrete_value(properties.get("DefinitionSubstitutions", {}))))


def fill(text: str, substitutions: dict[str, Any]) -> str:
    """CloudFormation fills placeholders in the text, before it is JSON; one that nobody fills stays."""
    return _PLACEHOLDER.sub(lambda match: str(substitutions.get(match[1], match[0])), text)
