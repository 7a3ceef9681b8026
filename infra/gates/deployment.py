"""Templates under given parameters: conditions decided, parameters filled in, and each reference to a resource kept or made a plausible value."""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from gates.template import REGION, ROOT_TEMPLATE, STACK

ACCOUNT = "123456789012"
_UUID = "11111111-2222-3333-4444-555555555555"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "crosstally",
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/crosstally/{_UUID}",
    "AWS::URLSuffix": "amazonaws.com",
}
_NOTHING = object()

# What the ARN of a type looks like. A type that is not here and whose ARN a template asks for fails loudly.
_ARNS = {
    "AWS::CloudWatch::Alarm": "arn:aws:cloudwatch:{place}:alarm:{name}",
    "AWS::Events::Rule": "arn:aws:events:{place}:rule/{name}",
    "AWS::IAM::Role": "arn:aws:iam::{account}:role/{name}",
    "AWS::KMS::Key": "arn:aws:kms:{place}:key/{uuid}",
    "AWS::Lambda::Function": "arn:aws:lambda:{place}:function:{name}",
    "AWS::Logs::LogGroup": "arn:aws:logs:{place}:log-group:{name}:*",
    "AWS::RedshiftServerless::Namespace": "arn:aws:redshift-serverless:{place}:namespace/{uuid}",
    "AWS::RedshiftServerless::Workgroup": "arn:aws:redshift-serverless:{place}:workgroup/{uuid}",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::SNS::Topic": "arn:aws:sns:{place}:{name}",
    "AWS::SQS::Queue": "arn:aws:sqs:{place}:{name}",
    "AWS::SecretsManager::Secret": "arn:aws:secretsmanager:{place}:secret:{name}-AbCdEf",
    "AWS::Serverless::Function": "arn:aws:lambda:{place}:function:{name}",
    "AWS::StepFunctions::StateMachine": "arn:aws:states:{place}:stateMachine:{name}",
}
# Their `Ref` is the ARN.
_KNOWN_BY_ARN = {"AWS::SNS::Topic", "AWS::SecretsManager::Secret", "AWS::StepFunctions::StateMachine"}


@dataclass
class Stack:
    """One template as one deployment makes it."""

    name: str
    file: str
    template: dict[str, Any]
    parameters: dict[str, Any]
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def settled(self) -> dict[str, Any]:
        """What CloudFormation would make: conditions decided and parameters filled in, while references to resources stay references."""
        return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": self._resources(_Resolver(self, keep=True))}

    def concrete(self) -> dict[str, Any]:
        """The same with plausible values for what only AWS can tell: ARNs of the right form, names, ids."""
        return self._resources(_Resolver(self, keep=False))

    def concrete_value(self, node: Any) -> Any:
        return _Resolver(self, keep=False).value(node)

    def arn(self, name: str) -> str:
        """The plausible ARN of a resource; of one whose kind has none that the gates know, the stack's."""
        kind = self.template["Resources"][name]["Type"]
        return _arn(name, kind) if kind in _ARNS else PSEUDO["AWS::StackId"]

    def condition(self, name: str) -> bool:
        return _Resolver(self, keep=False).condition(name)

    def holds(self, rule: Any) -> bool:
        """Whether a condition or a rule's assertion is true here."""
        return _Resolver(self, keep=False).holds(rule)

    def made(self) -> set[str]:
        return {name for name, resource in self.template["Resources"].items() if "Condition" not in resource or self.condition(resource["Condition"])}

    def _resources(self, resolver: "_Resolver") -> dict[str, Any]:
        made = self.made()
        kept = {name: resource for name, resource in self.template["Resources"].items() if name in made}
        fields = {"Type", "DeletionPolicy", "UpdateReplacePolicy", "Properties"}
        return {name: resolver.value({key: value for key, value in resource.items() if key in fields}) for name, resource in kept.items()}


def deploy(templates: dict[str, dict[str, Any]], parameters: dict[str, Any]) -> list[Stack]:
    """The root's stack and, below it, every nested one with the parameters that it is given."""
    return _deploy("root", ROOT_TEMPLATE, templates, parameters)


def _deploy(name: str, file: str, templates: dict[str, dict[str, Any]], given: dict[str, Any]) -> list[Stack]:
    template = templates[file]
    declared = template.get("Parameters", {})
    defaults = {parameter: entry["Default"] for parameter, entry in declared.items() if "Default" in entry}
    stack = Stack(name, file, template, defaults | given)
    below = []
    waiting = [resource for resource in sorted(stack.made()) if template["Resources"][resource]["Type"] == STACK]
    while waiting:
        # A stack that takes another's outputs comes after it.
        ready = [resource for resource in waiting if not (_stacks_read_by(template["Resources"][resource]) & {*waiting} - {resource})]
        if not ready:
            raise ValueError(f"{file}: the nested stacks {waiting} wait for one another's outputs")
        for resource in ready:
            waiting.remove(resource)
            properties = template["Resources"][resource]["Properties"]
            values = _Resolver(stack, keep=False).value(properties.get("Parameters", {}))
            path = str(PurePosixPath(file).parent / properties["TemplateURL"])
            nested = _deploy(resource, path, templates, values)
            resolver = _Resolver(nested[0], keep=False)
            outputs = templates[path].get("Outputs", {})
            stack.outputs[resource] = {
                key: resolver.value(output["Value"]) for key, output in outputs.items() if "Condition" not in output or resolver.condition(output["Condition"])
            }
            below += nested
    return [stack, *below]


def _stacks_read_by(node: Any) -> set[str]:
    """Logical ids whose attributes this node reads."""
    match node:
        case {"Fn::GetAtt": [name, *_]}:
            return {name}
        case {"Fn::Sub": str(text)}:
            return set(re.findall(r"\$\{(\w+)\.", text))
        case dict():
            return set().union(*map(_stacks_read_by, node.values()))
        case list():
            return set().union(*map(_stacks_read_by, node))
    return set()


@dataclass
class _Resolver:
    stack: Stack
    keep: bool

    def value(self, node: Any) -> Any:
        match node:
            case {"Ref": str(name)}:
                return self._ref(name)
            case {"Fn::GetAtt": [str(name), *rest]}:
                return self._attribute(node, name, ".".join(rest))
            case {"Fn::If": [str(name), then, otherwise]}:
                return self.value(then if self.condition(name) else otherwise)
            case {"Fn::Sub": [str(text), dict(given)]}:
                return self._sub(text, {key: self.value(value) for key, value in given.items()})
            case {"Fn::Sub": str(text)}:
                return self._sub(text, {})
            case {"Fn::Join": [str(between), parts]}:
                values = self.value(parts)
                return between.join(map(_text, values)) if _plain(values) else {"Fn::Join": [between, values]}
            case {"Fn::Select": [index, items]}:
                values = self.value(items)
                return values[int(index)] if isinstance(values, list) else {"Fn::Select": [index, values]}
            case {"Fn::Split": [str(between), whole]}:
                value = self.value(whole)
                return value.split(between) if isinstance(value, str) else {"Fn::Split": [between, value]}
            case {"Fn::FindInMap": [table, first, second]}:
                return self.stack.template["Mappings"][table][self.value(first)][self.value(second)]
            case dict():
                resolved = {key: self.value(value) for key, value in node.items()}
                return {key: value for key, value in resolved.items() if value is not _NOTHING}
            case list():
                return [value for value in map(self.value, node) if value is not _NOTHING]
        return node

    def condition(self, name: str) -> bool:
        return self.holds(self.stack.template["Conditions"][name])

    def holds(self, node: Any) -> bool:
        match node:
            case {"Fn::Equals": [left, right]}:
                return _text(self.value(left)) == _text(self.value(right))
            case {"Fn::Not": [inner]}:
                return not self.holds(inner)
            case {"Fn::And": list(parts)}:
                return all(map(self.holds, parts))
            case {"Fn::Or": list(parts)}:
                return any(map(self.holds, parts))
            case {"Fn::Contains": [items, value]}:
                return _text(self.value(value)) in map(_text, self.value(items))
            case {"Condition": str(name)}:
                return self.condition(name)
        raise ValueError(f"{self.stack.file}: {node} is no condition that the gates know; teach it to gates/deployment.py")

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.stack.parameters:
            value = self.stack.parameters[name]
            is_list = self.stack.template["Parameters"].get(name, {}).get("Type", "").startswith(("List<", "CommaDelimitedList"))
            return value.split(",") if is_list and isinstance(value, str) else value
        if name not in self.stack.template["Resources"]:
            raise ValueError(f"{self.stack.file}: {name} is referred to, and is neither a resource nor a parameter that has a value")
        if self.keep:
            return {"Ref": name}
        kind = self.stack.template["Resources"][name]["Type"]
        return _arn(name, kind) if kind in _KNOWN_BY_ARN else _UUID if kind == "AWS::KMS::Key" else name.lower()

    def _attribute(self, node: Any, name: str, attribute: str) -> Any:
        if self.keep:
            return node
        kind = self.stack.template["Resources"][name]["Type"]
        if kind == STACK:
            outputs = self.stack.outputs.get(name, {})
            output = attribute.removeprefix("Outputs.")
            if output not in outputs:
                raise ValueError(f"{self.stack.file}: {name} has no output {output} under these parameters")
            return outputs[output]
        if attribute.endswith("Arn"):
            if kind not in _ARNS:
                raise ValueError(f"{self.stack.file}: the gates do not know what the ARN of a {kind} looks like; add it to gates/deployment.py")
            return _arn(name, kind)
        return f"{name}-{attribute.rsplit('.', 1)[-1]}".lower()

    def _sub(self, text: str, given: dict[str, Any]) -> Any:
        kept = {}

        def fill(match: re.Match[str]) -> str:
            name, _, attribute = match[1].partition(".")
            if name.startswith("!"):
                return match[0]
            reference = {"Fn::GetAtt": [name, attribute]} if attribute else {"Ref": name}
            value = given[match[1]] if match[1] in given else self.value(reference)
            if _plain([value]):
                return _text(value)
            kept[match[1]] = value
            return match[0]

        filled = re.sub(r"\$\{([^}]+)\}", fill, text)
        if not kept:
            return filled.replace("${!", "${")
        of_its_own = {name: value for name, value in kept.items() if name in given}
        return {"Fn::Sub": [filled, of_its_own] if of_its_own else filled}


def _arn(name: str, kind: str) -> str:
    # Names are lower-case, as a bucket's must be.
    return _ARNS[kind].format(place=f"{REGION}:{ACCOUNT}", account=ACCOUNT, uuid=_UUID, name=name.lower())


def _plain(values: Any) -> bool:
    return isinstance(values, list) and not any(isinstance(value, dict | list) for value in values)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
