"""One mistake for each rule of the wiring and of samconfig.toml."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Copy

PARAMETER = "  Planted: {Type: String, Default: x}"


def plant(path: str, section: str, entry: str) -> Callable[[Copy], None]:
    return lambda copy: copy.plant(path, section, entry)


def append(path: str, text: str) -> Callable[[Copy], None]:
    return lambda copy: copy.append(path, text)


def after(path: str, text: str, new: str) -> Callable[[Copy], None]:
    return lambda copy: copy.replace(path, text, text + new)


def sub(pattern: str, new: str) -> Callable[[Copy], None]:
    """In samconfig.toml, the first match."""

    def spoil(copy: Copy) -> None:
        file = copy.root / "samconfig.toml"
        text, times = re.subn(pattern, new, file.read_text(), count=1, flags=re.DOTALL)
        assert times == 1
        file.write_text(text)

    return spoil


def all_of(*spoils: Callable[[Copy], None]) -> Callable[[Copy], None]:
    def spoil(copy: Copy) -> None:
        for one in spoils:
            one(copy)

    return spoil


GLUE = "      TemplateURL: infra/glue.yaml\n      Parameters:\n"

WIRING = [
    ("parameter-unused", "template.yaml:Planted", plant("template.yaml", "Parameters", PARAMETER)),
    # A rule reads it, and no resource: it decides about nothing.
    (
        "parameter-unused",
        "template.yaml:Planted",
        all_of(
            plant("template.yaml", "Parameters", PARAMETER),
            plant("template.yaml", "Rules", "  Planted: {Assertions: [{Assert: !Equals [!Ref Planted, x], AssertDescription: x}]}"),
        ),
    ),
    ("parameter-unused", "infra/network.yaml:Planted", plant("infra/network.yaml", "Parameters", PARAMETER)),
    ("condition-unused", "template.yaml:Planted", plant("template.yaml", "Conditions", "  Planted: !Equals [!Ref LogLevel, debug]")),
    (
        "condition-undecided",
        "template.yaml:Planted",
        all_of(
            plant("template.yaml", "Conditions", "  Planted: !Equals [!Ref LogLevel, debug]"),
            plant("template.yaml", "Resources", "  Planted: {Type: AWS::SNS::Topic, Condition: Planted}"),
        ),
    ),
    ("nested-parameter-missing", "template.yaml:GlueLoad.Planted", plant("infra/glue.yaml", "Parameters", PARAMETER)),
    ("nested-parameter-unknown", "template.yaml:GlueLoad.Planted", after("template.yaml", GLUE, "        Planted: x\n")),
    ("deployment-parameter", "template.yaml:Planted", plant("template.yaml", "Parameters", "  Planted: {Type: String}")),
    (
        "deployment-rule",
        "template.yaml:Planted",
        plant("template.yaml", "Rules", "  Planted: {Assertions: [{Assert: !Equals [!Ref LoadMode, glue], AssertDescription: no}]}"),
    ),
    (
        "environment-missing",
        "template.yaml:MergeAndCleanFunction.PLANTED",
        append("functions/merge-and-clean/src/config.rs", 'fn planted() { cloud::env::required("PLANTED"); }\n'),
    ),
    (
        "environment-missing",
        "template.yaml:TriggerGlueLoadFunction.PLANTED",
        append("functions/cloud/src/telemetry.rs", 'fn planted() { env::optional("PLANTED"); }\n'),
    ),
    ("environment-unread", "template.yaml:FetchAzureToS3Function.PLANTED", lambda copy: set_for_fetch(copy)),
    (
        "environment-name",
        "functions/merge-and-clean/src/config.rs",
        append("functions/merge-and-clean/src/config.rs", "fn planted(name: &str) { env::required(name); }\n"),
    ),
    ("environment-reader", "functions/cloud/src/env.rs", lambda copy: (copy.root / "functions/cloud/src/env.rs").write_text("")),
]

SAMCONFIG = [
    ("environment-absent", "samconfig.toml:staging", lambda copy: rename_environment(copy)),
    ("environment-incomplete", "samconfig.toml:prod", sub(r"\[prod\.validate\.parameters\]\nlint = true\n", "")),
    ("override-missing", "samconfig.toml:staging.Planted", lambda copy: copy.plant("template.yaml", "Parameters", "  Planted: {Type: String}")),
    ("override-unknown", "samconfig.toml:prod.Planted", sub(r'(\[prod\.deploy.*?)"AzureBlob=[^"]*"', r'\1"Planted=x"')),
    ("override-refused", "samconfig.toml:default.LogLevel", sub(r"LogLevel=debug", "LogLevel=loud")),
    ("override-blank", "samconfig.toml:default.AzureBlob", sub(r'"AzureBlob=[^"]*"', '"AzureBlob=TO-BE-FILLED-IN"')),
    ("architecture-differs", "samconfig.toml:default", sub(r"(\[default\.build.*?)Architecture=arm64", r"\1Architecture=x86_64")),
    ("prefix-differs", "samconfig.toml:staging", sub(r's3_prefix = "crosstally-staging"', 's3_prefix = "crosstally-dev"')),
    ("environments-differ", "samconfig.toml:default", sub(r"(\[default\.deploy.*?)resolve_s3 = true\n", r"\1")),
    ("environments-differ", "samconfig.toml:prod", sub(r'(\[prod\.deploy.*?)    "ScheduleTimezone=UTC",\n', r"\1")),
    ("stack-name-twice", "samconfig.toml", sub(r'stack_name = "crosstally-staging"', 'stack_name = "crosstally-dev"')),
    ("prod-unconfirmed", "samconfig.toml:prod", sub(r"confirm_changeset = true", "confirm_changeset = false")),
]


def rename_environment(copy: Copy) -> None:
    file = copy.root / "samconfig.toml"
    file.write_text(file.read_text().replace("[staging.", "[staged."))


def set_for_fetch(copy: Copy) -> None:
    copy.replace("template.yaml", "          AZURE_SECRET_ID:", "          PLANTED: x\n          AZURE_SECRET_ID:")


@pytest.mark.parametrize(("rule", "where", "spoil"), WIRING, ids=[f"{rule} {where}" for rule, where, _ in WIRING])
def test_a_loose_end_is_found(copy: Copy, rule: str, where: str, spoil: Callable[[Copy], None]):
    spoil(copy)
    assert (rule, where) in {(finding.rule, finding.where) for finding in copy.open_findings("wiring")}


@pytest.mark.parametrize(("rule", "where", "spoil"), SAMCONFIG, ids=[f"{rule} {where}" for rule, where, _ in SAMCONFIG])
def test_a_mistake_in_samconfig_is_found(copy: Copy, rule: str, where: str, spoil: Callable[[Copy], None]):
    spoil(copy)
    assert (rule, where) in {(finding.rule, finding.where) for finding in copy.open_findings("samconfig")}


def test_every_rule_has_its_mistake():
    for module, planted in (("wiring", WIRING), ("samconfig", SAMCONFIG)):
        source = Path(__file__).parents[1].joinpath(f"{module}.py").read_text()
        rules = set(re.findall(r'Finding\(\s*"([a-z0-9-]+)"', source))
        assert rules == {rule for rule, *_ in planted}
