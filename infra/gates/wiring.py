"""That nothing in the templates hangs loose: parameters, nested stacks, conditions and the functions' environment."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gates.findings import Finding
from gates.project import DEPLOYMENTS, Project
from gates.template import ROOT_TEMPLATE, nested

_FUNCTION = "AWS::Serverless::Function"
_SHARED = "functions/cloud/src"
_READER = "functions/cloud/src/env.rs"


def check(project: Project) -> list[Finding]:
    found = []
    for path, template in project.written.items():
        found += [*unused_parameters(path, template), *unused_conditions(path, template), *nested_parameters(path, template, project.written)]
    return found + [*undecided_conditions(project), *refused_deployments(project), *environments(project)]


def unused_parameters(path: str, template: dict[str, Any]) -> Iterator[Finding]:
    """A parameter reaches a resource by its properties, or by a condition that decides about one."""
    used = names_in(_made(template)) | {name for condition in _conditions_in_use(template) for name in names_in(template["Conditions"][condition])}
    for name in template.get("Parameters", {}):
        if name not in used:
            yield Finding("parameter-unused", f"{path}:{name}", "reaches no resource: use it or take it out")


def unused_conditions(path: str, template: dict[str, Any]) -> Iterator[Finding]:
    in_use = _conditions_in_use(template)
    for name in template.get("Conditions", {}):
        if name not in in_use:
            yield Finding("condition-unused", f"{path}:{name}", "decides about no resource: use it or take it out")


def nested_parameters(path: str, template: dict[str, Any], templates: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    """A nested stack is given each of its parameters, even one with a default: the root decides, in one place."""
    for stack, url in nested(template).items():
        declared = set(templates[str(Path(path).parent / url)].get("Parameters", {}))
        given = set(template["Resources"][stack]["Properties"].get("Parameters", {}))
        for name in sorted(declared - given):
            yield Finding("nested-parameter-missing", f"{path}:{stack}.{name}", f"{url} has this parameter and the stack is not given it")
        for name in sorted(given - declared):
            yield Finding("nested-parameter-unknown", f"{path}:{stack}.{name}", f"{url} has no such parameter")


def undecided_conditions(project: Project) -> Iterator[Finding]:
    """A condition that is the same in every deployment of the gates has a side that they never look at."""
    seen: dict[tuple[str, str], set[bool]] = {}
    for stacks in project.deployments.values():
        for stack in stacks:
            for name in stack.template.get("Conditions", {}):
                seen.setdefault((stack.file, name), set()).add(stack.condition(name))
    for (file, name), values in sorted(seen.items()):
        if len(values) == 1:
            yield Finding("condition-undecided", f"{file}:{name}", f"is {values.pop()} in every deployment of gates/project.py: set its parameter in one")


def refused_deployments(project: Project) -> Iterator[Finding]:
    """What the gates look at must be something that CloudFormation would make."""
    for deployment, (root, *_) in project.deployments.items():
        declared = root.template["Parameters"]
        for name in sorted(DEPLOYMENTS[deployment].keys() - declared.keys()):
            yield Finding("deployment-parameter", f"{ROOT_TEMPLATE}:{name}", f"is set for the deployment `{deployment}` in gates/project.py and does not exist")
        for name, entry in declared.items():
            fault = "has no value" if name not in root.parameters else refusal(entry, root.parameters[name])
            if fault:
                yield Finding("deployment-parameter", f"{ROOT_TEMPLATE}:{name}", f"{fault} in the deployment `{deployment}` of gates/project.py")
        for name, rule in root.template.get("Rules", {}).items():
            if root.holds(rule.get("RuleCondition", {"Fn::Equals": ["", ""]})):
                for assertion in rule["Assertions"]:
                    if not root.holds(assertion["Assert"]):
                        yield Finding("deployment-rule", f"{ROOT_TEMPLATE}:{name}", f"refuses the deployment `{deployment}`: {assertion['AssertDescription']}")


def refusal(parameter: dict[str, Any], value: Any) -> str | None:
    """Why CloudFormation would not take this value, if it would not."""
    text = str(value)
    if "AllowedValues" in parameter and text not in map(str, parameter["AllowedValues"]):
        return f"`{text}` is none of {parameter['AllowedValues']}"
    if "AllowedPattern" in parameter and not re.fullmatch(parameter["AllowedPattern"], text):
        return f"`{text}` does not match {parameter['AllowedPattern']}"
    if parameter["Type"] == "Number":
        if not re.fullmatch(r"-?\d+(\.\d+)?", text):
            return f"`{text}` is not a number"
        if float(text) < parameter.get("MinValue", float("-inf")) or float(text) > parameter.get("MaxValue", float("inf")):
            return f"`{text}` is outside its bounds"
    if len(text) < parameter.get("MinLength", 0):
        return f"`{text}` is too short"
    return None


def environments(project: Project) -> Iterator[Finding]:
    """What a function reads is set for it, and what is set for it is read."""
    template = project.written[ROOT_TEMPLATE]
    common = _variables(template.get("Globals", {}).get("Function", {}))
    readers = re.findall(r"^pub fn (\w+)\(name: &str", (project.root / _READER).read_text(encoding="utf-8"), flags=re.MULTILINE)
    if not readers:
        yield Finding("environment-reader", _READER, "has no function that takes a variable's name: teach gates/wiring.py its new shape")
    shared, faults = reads(project.root, project.root / _SHARED, readers)
    yield from faults
    for name, resource in template["Resources"].items():
        if resource["Type"] != _FUNCTION:
            continue
        binary = resource["Metadata"]["BuildProperties"]["Binary"]
        own, faults = reads(project.root, project.root / "functions" / binary / "src", readers)
        yield from faults
        given = common | _variables(resource["Properties"])
        for variable in sorted((own | shared) - given):
            yield Finding("environment-missing", f"{ROOT_TEMPLATE}:{name}.{variable}", f"{binary} reads it and the template does not set it")
        for variable in sorted(given - own - shared):
            yield Finding("environment-unread", f"{ROOT_TEMPLATE}:{name}.{variable}", f"the template sets it and {binary} does not read it")


def reads(root: Path, folder: Path, readers: list[str]) -> tuple[set[str], list[Finding]]:
    """The variables that a crate's source reads through cloud::env, and the calls whose name is no literal."""
    names, faults = set(), []
    for file in sorted(folder.rglob("*.rs")):
        source = re.sub(r"^\s*//.*$", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for call in re.finditer(rf"\benv::(?:{'|'.join(readers)})\(\s*([^,)]*)", source):
            literal = re.fullmatch(r'"(\w+)"', call[1].strip())
            if literal:
                names.add(literal[1])
            else:
                faults.append(Finding("environment-name", str(file.relative_to(root)), f"reads the variable `{call[1].strip()}`: name it by a literal"))
    return names, faults


def names_in(node: Any) -> set[str]:
    """What a node refers to: by Ref, by Fn::Sub, by Fn::If and Condition."""
    match node:
        case {"Ref": str(name)}:
            return {name}
        case {"Fn::Sub": str(text)}:
            return _in_text(text)
        case {"Fn::Sub": [str(text), dict(given)]}:
            return (_in_text(text) - given.keys()) | names_in(given)
        case {"Fn::If": [str(name), *branches]}:
            return {name} | names_in(branches)
        case {"Condition": str(name), **others}:
            return {name} | names_in(others)
        case dict():
            return set().union(*map(names_in, node.values()))
        case list():
            return set().union(*map(names_in, node))
    return set()


def _in_text(text: str) -> set[str]:
    return set(re.findall(r"\$\{([\w:]+)", text))


def _made(template: dict[str, Any]) -> list[Any]:
    return [template["Resources"], template.get("Globals", {})]


def _conditions_in_use(template: dict[str, Any]) -> set[str]:
    conditions = template.get("Conditions", {})
    waiting = [name for name in names_in(_made(template)) if name in conditions]
    in_use: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in in_use:
            in_use.add(name)
            waiting += [other for other in names_in(conditions[name]) if other in conditions]
    return in_use


def _variables(function: dict[str, Any]) -> set[str]:
    return set(function.get("Environment", {}).get("Variables", {}))
