"""Guards what the functions report against what the alarms and the dashboard read: CloudWatch shows an unknown metric as no data, for ever."""

import json
import re
from pathlib import Path

import pytest
from gates import cloudformation
from test_statemachine import RESOURCES, TEMPLATE, read_text

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = re.search(r'NAMESPACE: &str = "(\w+)"', read_text("functions/cloud/src/metrics.rs"))[1]
SOURCES = "\n".join(path.read_text() for path in sorted((ROOT / "functions").glob("*/src/**/*.rs")) if path.name != "metrics.rs")
REPORTED = set(re.findall(r'Metric::\w+\("(\w+)"', SOURCES))
STATES = set(re.findall(r'"State", "(\w+)"', SOURCES))
DASHBOARD = cloudformation.read(ROOT / "infra" / "dashboard.yaml")
BODY = json.loads(re.sub(r"(?<!\")\$\{[\w:]+\}(?!\")", "1", DASHBOARD["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]))


def shown() -> list[list]:
    """Every metric of the dashboard as [namespace, name, dimension, value, ...], with its abbreviations written out."""
    metrics = []
    for widget in BODY["widgets"]:
        last: list = []
        for row in widget["properties"].get("metrics", []):
            words = [word for word in row if not isinstance(word, dict)]
            if words and words[0] == "...":
                words = last[: len(last) - len(words) + 1] + words[1:]
            last = [last[at] if word == "." else word for at, word in enumerate(words)]
            if last:
                metrics.append(last)
    return metrics


OURS = [metric for metric in shown() if metric[0] == NAMESPACE]


def test_the_functions_report_something():
    assert {"RowsRead", "RowsQuarantined", "QuarantineRatio", "BytesFetched", "Seconds", "CostDollars"} <= REPORTED


@pytest.mark.parametrize("metric", OURS, ids=lambda metric: ".".join(metric[1::2]))
def test_the_dashboard_shows_what_is_reported(metric):
    assert metric[1] in REPORTED
    dimensions = dict(zip(metric[2::2], metric[3::2], strict=True))
    assert dimensions.pop("Pipeline") == "${Pipeline}"
    assert dimensions.pop("State", None) in STATES | {None}
    assert not dimensions


def test_everything_reported_is_on_the_dashboard():
    searched = set(re.findall(r'MetricName=\\?"(\w+)\\?"', json.dumps(BODY).replace("\\\\", "\\")))
    assert {metric[1] for metric in OURS} | searched == REPORTED
    assert {metric[5] for metric in OURS if len(metric) > 4} == STATES


def test_states_are_named_as_in_the_state_machine():
    definition = json.loads(read_text("statemachine.asl.json"))["States"]
    assert definition.keys() | definition["MergeAndClean"]["ItemProcessor"]["States"].keys() >= STATES


def test_the_alarms_on_own_metrics_read_what_is_reported():
    own = [
        alarm["Properties"] for alarm in RESOURCES.values() if alarm["Type"] == "AWS::CloudWatch::Alarm" and alarm["Properties"].get("Namespace") == NAMESPACE
    ]
    assert [alarm["MetricName"] for alarm in own] == ["QuarantineRatio"]
    for alarm in own:
        assert alarm["Dimensions"] == [{"Name": "Pipeline", "Value": {"Ref": "AWS::StackName"}}]


def test_the_pipelines_name_is_the_dimension_on_both_sides():
    assert TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]["PIPELINE_NAME"] == {"Ref": "AWS::StackName"}
    assert RESOURCES["Dashboard"]["Properties"]["Parameters"]["Pipeline"] == {"Ref": "AWS::StackName"}


def test_the_dashboard_body_is_json_whatever_is_put_in():
    """Numbers are put in bare, names between quotes."""
    assert len(BODY["widgets"]) == 8
    for widget in BODY["widgets"]:
        assert widget["x"] + widget["width"] <= 24
