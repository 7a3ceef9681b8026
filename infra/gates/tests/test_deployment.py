"""What the gates look at is what CloudFormation would make."""

from typing import Any

import pytest
from gates.deployment import ACCOUNT, Stack, deploy


def stack(resources: dict[str, Any] | None = None, parameters: dict[str, Any] | None = None, **sections: Any) -> Stack:
    template = {"Parameters": {name: {"Type": "String"} for name in parameters or {}}, "Resources": resources or {}, **sections}
    return Stack("root", "template.yaml", template, parameters or {})


BUCKET = {"Bucket": {"Type": "AWS::S3::Bucket"}, "Topic": {"Type": "AWS::SNS::Topic"}}


@pytest.mark.parametrize(
    ("node", "kept", "concrete"),
    [
        ({"Ref": "Name"}, "blue", "blue"),
        ({"Ref": "AWS::Region"}, "us-east-1", "us-east-1"),
        ({"Ref": "Bucket"}, {"Ref": "Bucket"}, "bucket"),
        ({"Ref": "Topic"}, {"Ref": "Topic"}, f"arn:aws:sns:us-east-1:{ACCOUNT}:topic"),
        ({"Fn::GetAtt": ["Bucket", "Arn"]}, {"Fn::GetAtt": ["Bucket", "Arn"]}, "arn:aws:s3:::bucket"),
        ({"Fn::Sub": "${Name}-${AWS::AccountId}"}, f"blue-{ACCOUNT}", f"blue-{ACCOUNT}"),
        ({"Fn::Sub": "${Bucket.Arn}/${Name}"}, {"Fn::Sub": "${Bucket.Arn}/blue"}, "arn:aws:s3:::bucket/blue"),
        ({"Fn::Sub": "${!Literal}-${Name}"}, "${Literal}-blue", "${Literal}-blue"),
        ({"Fn::Sub": ["${x}/${Name}", {"x": {"Ref": "Bucket"}}]}, {"Fn::Sub": ["${x}/blue", {"x": {"Ref": "Bucket"}}]}, "bucket/blue"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Name"}]]}, "a-blue", "a-blue"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Bucket"}]]}, {"Fn::Join": ["-", ["a", {"Ref": "Bucket"}]]}, "a-bucket"),
        ({"Fn::Select": [1, {"Fn::Split": [",", "a,b"]}]}, "b", "b"),
        ({"Fn::If": ["IsBlue", "yes", "no"]}, "yes", "yes"),
        ([1, {"Fn::If": ["IsRed", 2, {"Ref": "AWS::NoValue"}]}], [1], [1]),
        ({"a": {"Ref": "AWS::NoValue"}, "b": True}, {"b": True}, {"b": True}),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Name"}, "Large"]}, 9, 9),
    ],
)
def test_a_node_is_resolved(node: Any, kept: Any, concrete: Any):
    one = stack(
        {**BUCKET, "Planted": {"Type": "X", "Properties": {"node": node}}},
        {"Name": "blue"},
        Conditions={"IsBlue": {"Fn::Equals": [{"Ref": "Name"}, "blue"]}, "IsRed": {"Fn::Not": [{"Condition": "IsBlue"}]}},
        Mappings={"Sizes": {"blue": {"Large": 9}}},
    )
    assert one.settled()["Resources"]["Planted"]["Properties"]["node"] == kept
    assert one.concrete()["Planted"]["Properties"]["node"] == concrete


def test_a_resource_without_its_condition_is_not_made():
    conditions = {"Never": {"Fn::And": [{"Fn::Equals": [1, "1"]}, {"Fn::Or": [{"Fn::Equals": ["a", "b"]}]}]}}
    one = stack({"Kept": {"Type": "X"}, "Gone": {"Type": "X", "Condition": "Never"}}, Conditions=conditions)
    assert set(one.settled()["Resources"]) == {"Kept"}


def test_a_name_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="Nobody is referred to"):
        stack({"Planted": {"Type": "X", "Properties": {"x": {"Ref": "Nobody"}}}}).settled()


def nested(url: str, **parameters: Any) -> dict[str, Any]:
    return {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url, "Parameters": parameters}}


TEMPLATES = {
    "template.yaml": {"Resources": {"A": nested("a.yaml", Given={"Fn::GetAtt": ["Z", "Outputs.Topic"]}), "Z": nested("z.yaml")}},
    "a.yaml": {"Parameters": {"Given": {"Type": "String"}, "Own": {"Type": "CommaDelimitedList", "Default": "x,y"}}, "Resources": {}},
    "z.yaml": {"Resources": BUCKET, "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}}},
}


def test_a_nested_stack_gets_the_outputs_of_another():
    a = next(one for one in deploy(TEMPLATES, {}) if one.name == "A")
    assert a.parameters == {"Given": f"arn:aws:sns:us-east-1:{ACCOUNT}:topic", "Own": "x,y"}
    assert a.concrete_value({"Ref": "Own"}) == ["x", "y"]


def test_an_output_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="Z has no output Topic"):
        deploy({**TEMPLATES, "z.yaml": {"Resources": BUCKET}}, {})


def test_stacks_that_wait_for_one_another_are_an_error():
    looped = {"A": nested("a.yaml", Given={"Fn::GetAtt": ["Z", "Outputs.T"]}), "Z": nested("z.yaml", X={"Fn::Sub": "${A.Outputs.T}"})}
    with pytest.raises(ValueError, match="wait for one another"):
        deploy({**TEMPLATES, "template.yaml": {"Resources": looped}}, {})
