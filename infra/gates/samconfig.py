"""samconfig.toml: every environment complete, and alike where they should be."""

import shlex
import tomllib
from collections.abc import Iterator
from typing import Any

from gates.findings import Finding
from gates.project import Project
from gates.template import ROOT_TEMPLATE
from gates.wiring import refusal

_FILE = "samconfig.toml"
_SHIPPED = ("default", "staging", "prod")
# infra/local knows these only once its parts have started, and passes them itself; the file says so there.
_LOCAL = "local"
_BLANK = "TO-BE-FILLED-IN"


def check(project: Project) -> list[Finding]:
    config = tomllib.loads((project.root / _FILE).read_text(encoding="utf-8"))
    parameters = project.written[ROOT_TEMPLATE]["Parameters"]
    found = []
    for name in (*_SHIPPED, _LOCAL):
        if name not in config:
            found.append(Finding("environment-absent", f"{_FILE}:{name}", "is not there"))
    if found:
        return found
    for name, environment in config.items():
        if name != "version":
            found += _environment(name, environment, parameters)
    if any(finding.rule == "environment-incomplete" for finding in found):
        return found
    return found + [*_alike(config), *_prod(config)]


def overrides(command: dict[str, Any]) -> dict[str, str]:
    """Parameter → value, as sam reads the list."""
    return dict(shlex.split(entry)[0].split("=", 1) for entry in command["parameters"].get("parameter_overrides", []))


def _environment(name: str, environment: dict[str, Any], parameters: dict[str, Any]) -> Iterator[Finding]:
    where = f"{_FILE}:{name}"
    missing = {"global", "validate", "build", "deploy"} - environment.keys()
    if missing:
        yield Finding("environment-incomplete", where, f"has no {', '.join(sorted(missing))}")
        return
    deploy, build = environment["deploy"]["parameters"], environment["build"]
    given = overrides(environment["deploy"])
    required = {parameter for parameter, entry in parameters.items() if "Default" not in entry}
    if name != _LOCAL:
        for parameter in sorted(required - given.keys()):
            yield Finding("override-missing", f"{where}.{parameter}", "the template has no default for it: name it in parameter_overrides")
    for parameter, value in given.items():
        if parameter not in parameters:
            yield Finding("override-unknown", f"{where}.{parameter}", "the template has no such parameter")
            continue
        fault = refusal(parameters[parameter], value)
        if value == _BLANK and not fault:
            yield Finding("override-blank", f"{where}.{parameter}", f"the template would take {_BLANK}: give the parameter a pattern that refuses it")
        elif value != _BLANK and fault:
            yield Finding("override-refused", f"{where}.{parameter}", fault)
    if overrides(build).get("Architecture") != given.get("Architecture"):
        yield Finding("architecture-differs", where, "sam build and sam deploy must be told the same Architecture")
    if deploy.get("s3_prefix") != environment["global"]["parameters"].get("stack_name"):
        yield Finding("prefix-differs", where, "s3_prefix must be the stack's name, or two environments would share their artifacts")


def _alike(config: dict[str, Any]) -> Iterator[Finding]:
    """dev, staging and prod differ in values, never in what they say."""
    said = {name: {key for key, _ in _flat(config[name])} | {f"deploy: {key}" for key in overrides(config[name]["deploy"])} for name in _SHIPPED}
    everything = set().union(*said.values())
    for name in _SHIPPED:
        for key in sorted(everything - said[name]):
            yield Finding("environments-differ", f"{_FILE}:{name}", f"does not say `{key}`, which another of {', '.join(_SHIPPED)} says")
    names = [config[name]["global"]["parameters"]["stack_name"] for name in (*_SHIPPED, _LOCAL)]
    if len(set(names)) != len(names):
        yield Finding("stack-name-twice", _FILE, f"two environments would be one stack: {names}")


def _prod(config: dict[str, Any]) -> Iterator[Finding]:
    if config["prod"]["deploy"]["parameters"].get("confirm_changeset") is not True:
        yield Finding("prod-unconfirmed", f"{_FILE}:prod", "set confirm_changeset = true: somebody looks at what prod will become")


def _flat(node: dict[str, Any], way: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{way}{key}.")
        else:
            yield f"{way}{key}", value
