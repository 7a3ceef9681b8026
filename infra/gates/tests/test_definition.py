"""One mistake for each rule about the state machine's JSONata; and what asl-validator and cfn-lint are there for."""

import copy as copies
from collections.abc import Callable

import pytest
from conftest import Copy
from gates import jsonata
from gates.__main__ import ROOT
from gates.expressions import Expression, parse
from gates.findings import Finding
from gates.project import Project

DEFINITION = Project(ROOT).definition


def faults(spoil: Callable[[dict], None]) -> set[tuple[str, str]]:
    definition = copies.deepcopy(DEFINITION)
    spoil(definition["States"])
    return {(finding.rule, finding.where) for finding in jsonata.check_definition(definition)}


def payload(text: str, state: str = "CheckLoad") -> Callable[[dict], None]:
    return lambda states: states[state]["Arguments"]["Payload"].update(planted=text)


def put(state: str, field: str, value: object) -> Callable[[dict], None]:
    return lambda states: states[state].update({field: value})


PLANTED = "CheckLoad.Arguments.Payload.planted"
MISTAKES = [
    ("jsonata-syntax", PLANTED, payload("{% $states.input. %}")),
    ("jsonata-syntax", PLANTED, payload("{% $states.input ? 1 : %}")),
    ("jsonata-marks", PLANTED, payload("{% $runId")),
    ("jsonata-marks", PLANTED, payload("run {% $runId %}")),
    ("jsonata-variable", PLANTED, payload("{% $runid %}")),
    # Assigned, but only by a state that comes later, or by this very state.
    ("jsonata-variable", "FetchTransactions.Arguments.Payload.planted", payload("{% $load.statement_id %}", "FetchTransactions")),
    ("jsonata-variable", "StartLoad.Arguments.Payload.planted", payload("{% $load %}", "StartLoad")),
    # Assigned on one way to the state only: by the detour that a failed split takes.
    (
        "jsonata-variable",
        "StartLoad.Arguments.Payload.planted",
        lambda states: (put("ReportFailedSplit", "Assign", {"detour": 1})(states), payload("{% $detour %}", "StartLoad")(states)),
    ),
    # By a Catch, whose way does not go through the state's own Assign.
    (
        "jsonata-variable",
        "ReportFailedSplit.Output",
        lambda states: (put("MergeAndClean", "Assign", {"merged": 1})(states), put("ReportFailedSplit", "Output", "{% $merged %}")(states)),
    ),
    # The children of a Distributed Map see nothing of the run's variables.
    (
        "jsonata-variable",
        "MergeAndClean/CleanSplit.Output",
        lambda states: states["MergeAndClean"]["ItemProcessor"]["States"]["CleanSplit"].update(Output="{% $runId %}"),
    ),
    # Bound in a block that has ended.
    ("jsonata-variable", PLANTED, payload("{% ($x := 1; $x) + $x %}")),
    ("jsonata-variable", PLANTED, payload("{% $map($load, function($v) { $v }) & $v %}")),
    ("jsonata-function", PLANTED, payload("{% $upper($runId) %}")),
    ("jsonata-function", PLANTED, payload("{% $eval($runId) %}")),
    ("jsonata-function", PLANTED, payload("{% $runId ~> $shout %}")),
    ("jsonata-states", PLANTED, payload("{% $states.result.Payload %}")),
    ("jsonata-states", "IsLoadFinished.Output", put("IsLoadFinished", "Output", "{% $states.result %}")),
    ("jsonata-states", "StartLoad.Output", put("StartLoad", "Output", "{% $states.errorOutput.Cause %}")),
    ("jsonata-states", PLANTED, payload("{% $states.inputs %}")),
    (
        "jsonata-states",
        "StartLoad.Catch.0.Output",
        put("StartLoad", "Catch", [{"ErrorEquals": ["GlueBusy"], "Assign": {"load": 1}, "Output": "{% $states.result %}", "Next": "WaitForLoad"}]),
    ),
    ("jsonata-context", PLANTED, payload("{% run_id %}")),
    ("jsonata-context", PLANTED, payload("{% $.run_id %}")),
    ("jsonata-context", PLANTED, payload("{% $$.run_id %}")),
    ("jsonata-context", PLANTED, payload("{% $states.input[run = $$.run] %}")),
]


@pytest.mark.parametrize(("rule", "where", "spoil"), MISTAKES, ids=[f"{number} {rule}" for number, (rule, *_) in enumerate(MISTAKES)])
def test_a_mistake_in_an_expression_is_found(rule: str, where: str, spoil: Callable[[dict], None]):
    assert faults(spoil) == {(rule, where)}


@pytest.mark.parametrize(
    "spoil",
    [
        payload("{% $load.finished %}"),
        payload("{% ($x := $runId; $x & $x) %}"),
        payload("{% $map($load.items, function($v, $i) { $v & $i & $runId }) %}"),
        payload("{% ($f := function($n) { $n < 1 ? 0 : $f($n - 1) }; $f(3)) %}"),
        payload("{% $load.items@$l.parts#$i[$l.id = $i] %}"),
        payload("{% $load.items^(>size)[$.size > 1].{ 'a': size } %}"),
        payload("{% $load.items{ id: $sum(size) } %}"),
        payload("{% $hash($runId, 'MD5') & $uuid() & $string($random()) %}"),
        payload("{% $partition($range(1, 9, 1), 2) ~> $reverse %}"),
        payload("{% $parse('{}') ~> $merge %}"),
        payload("{% $load ~> | items | { 'x': size } | %}"),
        payload("{% $map($load.items, $uppercase) %}"),
        put("StartLoad", "Catch", [{"ErrorEquals": ["GlueBusy"], "Assign": {"load": "{% $states.errorOutput %}"}, "Next": "WaitForLoad"}]),
        put("StartLoad", "TimeoutSeconds", "{% $states.context.Execution.Input.seconds %}"),
    ],
)
def test_what_step_functions_takes_is_taken(spoil: Callable[[dict], None]):
    assert faults(spoil) == set()


def test_a_catch_that_does_not_assign_leaves_the_variable_unassigned():
    def spoil(states: dict) -> None:
        states["StartLoad"]["Catch"] = [{"ErrorEquals": ["GlueBusy"], "Next": "WaitForLoad"}]

    assert ("jsonata-variable", "CheckLoad.Arguments.Payload.statement_id") in faults(spoil)


def test_a_choice_assigns_on_the_way_of_its_rule():
    def spoil(states: dict) -> None:
        states["IsLoadFinished"]["Choices"][0]["Assign"] = {"ledger": "{% $load %}"}
        states["Done"]["Output"] = "{% $ledger %}"

    assert faults(spoil) == set()


def test_an_inline_map_and_a_branch_see_the_variables_around_them():
    inner = {"StartAt": "Inner", "States": {"Inner": {"Type": "Pass", "Output": "{% $runId & $missing %}", "End": True}}}

    def spoil(states: dict) -> None:
        states["WaitForLoad"] = {"Type": "Map", "Items": "{% [1] %}", "ItemProcessor": inner, "Next": "CheckLoad"}
        states["IsLoadFinished"] = {"Type": "Parallel", "Branches": [inner, inner], "Next": "Done"}

    assert faults(spoil) == {
        ("jsonata-variable", "WaitForLoad/Inner.Output"),
        ("jsonata-variable", "IsLoadFinished/0/Inner.Output"),
        ("jsonata-variable", "IsLoadFinished/1/Inner.Output"),
    }


def test_every_expression_of_the_definition_is_read():
    """So that a green gate has not looked past them: as many as there are marks in the file."""
    expressions = [one for state in DEFINITION["States"].values() for one in jsonata.expressions.find(state)]
    inner = DEFINITION["States"]["MergeAndClean"]["ItemProcessor"]["States"]
    expressions += [one for state in inner.values() for one in jsonata.expressions.find(state)]
    assert len(expressions) == (ROOT / "statemachine.asl.json").read_text().count('"{%') > 10


def test_placeholders_are_filled_before_parsing():
    assert "{% $number('15') %}" in str(DEFINITION["States"]["WaitForLoad"])
    assert "${" not in str(DEFINITION)


def test_what_an_expression_refers_to():
    one = Expression((), "$sum($load.items[$.size > $limit].size) + $states.input.n")
    parse([one])
    assert (one.variables, one.calls, one.states, one.rootless) == ({"load", "limit"}, {"sum"}, {"input"}, set())


def test_the_file_itself_is_read(copy: Copy):
    copy.replace("statemachine.asl.json", '"{% $load.finished %}"', '"{% $loaded.finished %}"')
    (finding,) = copy.open_findings("jsonata")
    assert (finding.rule, finding.where) == ("jsonata-variable", "IsLoadFinished.Choices.0.Condition")


def test_asl_validator_sees_a_state_that_is_not_there(copy: Copy):
    copy.replace("statemachine.asl.json", '"StartAt": "PrepareRun"', '"StartAt": "PrepareTheRun"')
    assert any("PrepareTheRun" in finding.message for finding in copy.open_findings("asl-validator"))


@pytest.fixture(scope="module")
def seen_by_cfn_lint(shared_copy: Copy) -> list[Finding]:
    """cfn-lint takes seconds: one run for all mistakes."""
    choice = '"Type": "Choice",\n      "Choices": [\n        {\n          "Condition": "{% $load.finished %}"'
    shared_copy.replace("statemachine.asl.json", choice, choice.replace("Choice", "Choose", 1))
    shared_copy.plant("infra/network.yaml", "Resources", "  Planted: {Type: AWS::EC2::VPC, Properties: {Cidr: 10.0.0.0/16}}")
    shared_copy.plant("template.yaml", "Resources", "  Planted: {Type: AWS::SNS::Topic, Properties: {Topic: x}}")
    shared_copy.replace(".cfnlintrc", "  - infra/glue.yaml\n", "")
    return shared_copy.open_findings("cfn-lint")


@pytest.mark.parametrize(
    ("rule", "where"),
    [
        ("E3601", "template.yaml, expanded:Resources.StateMachine.Properties.Definition.States.IsLoadFinished.Type"),
        ("E3002", "infra/network.yaml:Resources.Planted.Properties.Cidr"),
        ("E3002", "template.yaml:Resources.Planted.Properties.Topic"),
        ("cfnlintrc", "infra/glue.yaml"),
    ],
)
def test_cfn_lint_sees_it(seen_by_cfn_lint: list[Finding], rule: str, where: str):
    assert (rule, where) in {(finding.rule, finding.where) for finding in seen_by_cfn_lint}


def test_cfn_lint_finds_nothing_else(seen_by_cfn_lint: list[Finding]):
    planted = {"template.yaml, expanded:Resources.StateMachine.Properties.Definition.States.IsLoadFinished.Type", "infra/glue.yaml"}
    assert [finding for finding in seen_by_cfn_lint if "Resources.Planted" not in finding.where and finding.where not in planted] == []
