"""One mistake for each rule of cfn-guard, and for parliament and checkov what each of them is there for, in the root and in nested templates."""

from collections.abc import Callable

import pytest
from conftest import Copy, copy_of_project
from gates import guard
from gates.__main__ import ROOT
from gates.findings import Finding

ROLE = """\
  Planted:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: %s}]
      Policies:
        - PolicyName: planted
          PolicyDocument: {Version: "2012-10-17", Statement: [{%s}]}
"""
KEY = """\
  Planted:
    Type: AWS::KMS::Key
    Properties:
      KeyPolicy:
        Version: "2012-10-17"
        Statement: [{Sid: x, Effect: Allow, Principal: {Service: sns.amazonaws.com}, Action: "kms:Gen*", Resource: "*"}]
"""
ENCRYPTED = (
    "BucketEncryption: {ServerSideEncryptionConfiguration: [{ServerSideEncryptionByDefault: {SSEAlgorithm: aws:kms, KMSMasterKeyID: !GetAtt DataKey.Arn}}]}"
)


def role(statement: str, trusts: str = "sts:AssumeRole") -> str:
    return ROLE % (trusts, statement)


def resource(kind: str, properties: str = "") -> str:
    return f"  Planted:\n    Type: {kind}\n    Properties: {{{properties}}}\n"


def bucket_policy(resources: str, condition: str) -> str:
    statement = f'{{Effect: Deny, Principal: "*", Action: "s3:*", Resource: {resources}, Condition: {condition}}}'
    return resource("AWS::S3::BucketPolicy", f"Bucket: !Ref Planted, PolicyDocument: {{Statement: [{statement}]}}").replace("  Planted:", "  PlantedPolicy:")


FUNCTION = "Code: {S3Bucket: b, S3Key: k}, Role: !GetAtt FetchRole.Arn, Handler: bootstrap, Runtime: provided.al2023"
CONNECTION = "CatalogId: x, ConnectionInput: {ConnectionType: JDBC, ConnectionProperties: {%s: x, SECRET_ID: x}}"
GUARD = [
    ("no_public_redshift", "infra/warehouse.yaml", resource("AWS::RedshiftServerless::Workgroup", "WorkgroupName: x, PubliclyAccessible: true")),
    ("no_public_redshift", "infra/warehouse.yaml", resource("AWS::RedshiftServerless::Workgroup", "WorkgroupName: x")),
    ("no_public_redshift", "template.yaml", resource("AWS::Redshift::Cluster", "ClusterType: single-node")),
    ("no_public_redshift", "template.yaml", resource("AWS::Redshift::Cluster", 'PubliclyAccessible: "true"')),
    ("no_ingress_from_anywhere", "infra/network.yaml", resource("AWS::EC2::SecurityGroup", "SecurityGroupIngress: [{IpProtocol: tcp, CidrIp: 0.0.0.0/0}]")),
    ("no_ingress_from_anywhere", "infra/network.yaml", resource("AWS::EC2::SecurityGroup", 'SecurityGroupIngress: [{IpProtocol: tcp, CidrIpv6: "::/0"}]')),
    ("no_ingress_from_anywhere", "infra/network.yaml", resource("AWS::EC2::SecurityGroupIngress", "IpProtocol: tcp, CidrIp: 0.0.0.0/0")),
    ("no_ingress_from_anywhere", "infra/network.yaml", resource("AWS::EC2::SecurityGroupIngress", 'IpProtocol: tcp, CidrIpv6: "::/0"')),
    ("no_plaintext_password", "infra/warehouse.yaml", resource("AWS::RedshiftServerless::Namespace", "KmsKeyId: x, AdminUserPassword: hunter2Hunter")),
    ("no_plaintext_password", "infra/warehouse.yaml", resource("AWS::RedshiftServerless::Namespace", "KmsKeyId: x, AdminUserPassword: !Ref Name")),
    ("no_plaintext_password", "template.yaml", resource("AWS::Redshift::Cluster", "PubliclyAccessible: false, MasterUserPassword: !Sub 'x${DataBucket}'")),
    ("no_plaintext_password", "infra/warehouse.yaml", resource("AWS::SecretsManager::Secret", "KmsKeyId: x, SecretString: hunter2")),
    ("no_plaintext_password", "infra/glue.yaml", resource("AWS::Glue::Connection", CONNECTION % "PASSWORD")),
    ("no_plaintext_password", "infra/glue.yaml", resource("AWS::Glue::Connection", CONNECTION % "USERNAME")),
    ("no_plaintext_password", "template.yaml", resource("AWS::Lambda::Function", FUNCTION + ", KmsKeyArn: x, Environment: {Variables: {DB_PASSWORD: x}}")),
    ("no_wildcard_action", "template.yaml", role('Effect: Allow, Action: "s3:*", Resource: !GetAtt DataBucket.Arn')),
    ("no_wildcard_action", "infra/glue.yaml", role('Effect: Allow, Action: [s3:GetObject, "s3:List*"], Resource: "arn:aws:s3:::x/y"')),
    ("no_wildcard_action", "infra/warehouse.yaml", role('Effect: Allow, NotAction: s3:GetObject, Resource: "*"')),
    ("no_wildcard_action", "template.yaml", KEY),
    (
        "no_wildcard_action",
        "template.yaml",
        resource(
            "AWS::SNS::TopicPolicy",
            'Topics: [!Ref AlertTopic], PolicyDocument: {Statement: [{Effect: Allow, Principal: "*", Action: "sns:*", Resource: !Ref AlertTopic}]}',
        ),
    ),
    ("tls_only_bucket", "template.yaml", resource("AWS::S3::Bucket", ENCRYPTED)),
    (
        "tls_only_bucket",
        "template.yaml",
        resource("AWS::S3::Bucket", ENCRYPTED) + bucket_policy('[!Sub "${Planted.Arn}/*"]', "{}"),
    ),
    (
        "tls_only_bucket",
        "template.yaml",
        resource("AWS::S3::Bucket", ENCRYPTED) + bucket_policy("[!GetAtt Planted.Arn]", '{Bool: {"aws:SecureTransport": false}}'),
    ),
    ("kms_everywhere", "template.yaml", resource("AWS::S3::Bucket")),
    (
        "kms_everywhere",
        "template.yaml",
        resource("AWS::S3::Bucket", "BucketEncryption: {ServerSideEncryptionConfiguration: [{ServerSideEncryptionByDefault: {SSEAlgorithm: AES256}}]}"),
    ),
    ("kms_everywhere", "template.yaml", resource("AWS::SNS::Topic")),
    ("kms_everywhere", "template.yaml", resource("AWS::SQS::Queue")),
    ("kms_everywhere", "template.yaml", resource("AWS::Logs::LogGroup")),
    ("kms_everywhere", "infra/warehouse.yaml", resource("AWS::SecretsManager::Secret", "GenerateSecretString: {}")),
    ("kms_everywhere", "infra/warehouse.yaml", resource("AWS::RedshiftServerless::Namespace", "NamespaceName: x")),
    ("kms_everywhere", "template.yaml", resource("AWS::Lambda::Function", FUNCTION)),
    (
        "kms_everywhere",
        "infra/glue.yaml",
        resource("AWS::Glue::SecurityConfiguration", "EncryptionConfiguration: {CloudWatchEncryption: {KmsKeyArn: x}, S3Encryptions: [{KmsKeyArn: x}]}"),
    ),
]

PARLIAMENT = [
    ("UNKNOWN_ACTION", "template.yaml", role("Effect: Allow, Action: s3:GetObjekt, Resource: '*'")),
    ("UNKNOWN_PREFIX", "template.yaml", role("Effect: Allow, Action: sss:GetObject, Resource: '*'")),
    ("INVALID_ARN", "infra/glue.yaml", role('Effect: Allow, Action: s3:GetObject, Resource: "arn:aws:s3::x/y"')),
    # Right in form, and of a bucket where an object is wanted.
    ("RESOURCE_MISMATCH", "template.yaml", role("Effect: Allow, Action: s3:GetObject, Resource: !GetAtt DataBucket.Arn")),
    ("RESOURCE_STAR", "infra/warehouse.yaml", role('Effect: Allow, Action: s3:GetObject, Resource: "*"')),
    (
        "UNKNOWN_CONDITION_FOR_ACTION",
        "template.yaml",
        role('Effect: Allow, Action: kms:Decrypt, Resource: !GetAtt DataKey.Arn, Condition: {StringEquals: {"s3:prefix": x}}'),
    ),
    ("UNKNOWN_ACTION", "template.yaml", role('Effect: Allow, Action: s3:GetObject, Resource: "arn:aws:s3:::x/y"', trusts="sts:AsumeRole")),
    ("NO_VERSION", "template.yaml", role('Effect: Allow, Action: s3:GetObject, Resource: "arn:aws:s3:::x/y"').replace('{Version: "2012-10-17", S', "{S")),
    (
        "DUPLICATE_SID",
        "template.yaml",
        role("}, {".join(f'Sid: A, Effect: Allow, Action: {action}, Resource: "arn:aws:s3:::x/y"' for action in ("s3:GetObject", "s3:PutObject"))),
    ),
    # Under a condition, in the deployment where it holds.
    (
        "UNKNOWN_ACTION",
        "infra/glue.yaml",
        role('Effect: Allow, Action: !If [EncryptLogs, s3:GetObject, s3:GetObjekt], Resource: "arn:aws:s3:::x/y"'),
    ),
    # A resource's policy.
    (
        "UNKNOWN_ACTION",
        "template.yaml",
        resource(
            "AWS::SNS::TopicPolicy",
            "Topics: [x], PolicyDocument: {Version: '2012-10-17', Statement: [{Effect: Allow, Principal: '*', Action: sns:Pub, Resource: !Ref AlertTopic}]}",
        ),
    ),
]


def planted(copy: Copy, mistakes: list[tuple[str, str, str]]) -> Copy:
    """All mistakes at once, since each run of a gate takes seconds; the number in its name tells them apart."""
    for number, (_, path, entry) in enumerate(mistakes):
        copy.plant(path, "Resources", entry.replace("Planted", f"Planted{number}x"))
    return copy


@pytest.fixture(scope="module")
def seen_by_guard(tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    return planted(copy_of_project(tmp_path_factory.mktemp("guard")), GUARD).open_findings("cfn-guard")


@pytest.fixture(scope="module")
def seen_by_parliament(tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    return planted(copy_of_project(tmp_path_factory.mktemp("parliament")), PARLIAMENT).open_findings("parliament")


@pytest.mark.parametrize("number", range(len(GUARD)), ids=[f"{rule} {number}" for number, (rule, *_) in enumerate(GUARD)])
def test_cfn_guard_sees_it(seen_by_guard: list[Finding], rules_at: Callable[[list[Finding], str], set[str]], number: int):
    rule, path, _ = GUARD[number]
    assert rule in rules_at(seen_by_guard, f"{path}:Planted{number}x")


def test_cfn_guard_sees_a_bucket_where_no_bucket_has_a_policy(copy: Copy):
    copy.plant("infra/glue.yaml", "Resources", resource("AWS::S3::Bucket", ENCRYPTED.replace("!GetAtt DataKey.Arn", "!Ref KmsKeyArn")))
    (finding,) = copy.open_findings("cfn-guard")
    assert (finding.rule, finding.where) == ("tls_only_bucket", "infra/glue.yaml:Resources")


def test_cfn_guard_finds_nothing_else(seen_by_guard: list[Finding]):
    assert [finding for finding in seen_by_guard if ":Planted" not in finding.where] == []


def test_every_rule_of_cfn_guard_has_its_mistake():
    assert {rule for rule, *_ in GUARD} == {*guard.rule_names(ROOT)}


def test_a_rule_that_does_not_parse_fails_loudly(copy: Copy):
    copy.append("infra/guard/rules.guard", "\nrule broken {\n")
    with pytest.raises(RuntimeError, match="cfn-guard"):
        copy.open_findings("cfn-guard")


@pytest.mark.parametrize("number", range(len(PARLIAMENT)), ids=[f"{rule} {number}" for number, (rule, *_) in enumerate(PARLIAMENT)])
def test_parliament_sees_it(seen_by_parliament: list[Finding], rules_at: Callable[[list[Finding], str], set[str]], number: int):
    rule, path, _ = PARLIAMENT[number]
    assert rule in rules_at(seen_by_parliament, f"{path}:Planted{number}x.")


def test_parliament_finds_nothing_else(seen_by_parliament: list[Finding]):
    assert [finding for finding in seen_by_parliament if ":Planted" not in finding.where] == []


def test_a_finding_says_in_which_deployments_it_is(seen_by_parliament: list[Finding]):
    assert "infra/glue.yaml:Planted9x.planted.0 (plain)" in {finding.where for finding in seen_by_parliament}


CHECKOV = [
    ("CKV_AWS_21", "template.yaml", "Bucket", "AWS::S3::Bucket", ENCRYPTED),
    ("CKV_AWS_53", "template.yaml", "Bucket", "AWS::S3::Bucket", ENCRYPTED),
    ("CKV_AWS_116", "template.yaml", "Function", "AWS::Lambda::Function", FUNCTION),
    ("CKV_AWS_158", "template.yaml", "LogGroup", "AWS::Logs::LogGroup", "LogGroupName: x"),
    ("CKV_AWS_27", "template.yaml", "Queue", "AWS::SQS::Queue", "QueueName: x"),
    ("CKV_AWS_7", "template.yaml", "Key", "AWS::KMS::Key", "Description: x"),
    ("CKV_AWS_195", "infra/glue.yaml", "Job", "AWS::Glue::Job", "Role: x, Command: {Name: glueetl}"),
    ("CKV_AWS_149", "infra/warehouse.yaml", "Secret", "AWS::SecretsManager::Secret", "Name: x"),
    (
        "CKV_AWS_24",
        "infra/network.yaml",
        "Group",
        "AWS::EC2::SecurityGroup",
        "SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: 0.0.0.0/0}]",
    ),
]


@pytest.fixture(scope="module")
def seen_by_checkov(shared_copy: Copy) -> list[Finding]:
    """checkov takes seconds: one run for all mistakes, each with a name of its own."""
    for name in dict.fromkeys((path, name, kind, properties) for _, path, name, kind, properties in CHECKOV):
        path, logical_id, kind, properties = name
        shared_copy.plant(path, "Resources", resource(kind, properties).replace("Planted", f"Planted{logical_id}"))
    # And one that a condition makes.
    shared_copy.plant(
        "infra/glue.yaml", "Resources", "  PlantedPlain:\n    Type: AWS::SQS::Queue\n    Properties: !If [EncryptLogs, {KmsMasterKeyId: x}, {}]\n"
    )
    return shared_copy.open_findings("checkov")


@pytest.mark.parametrize(("rule", "path", "name"), [entry[:3] for entry in CHECKOV])
def test_checkov_sees_it(seen_by_checkov: list[Finding], rule: str, path: str, name: str):
    assert (rule, f"{path}:Planted{name}") in {(finding.rule, finding.where) for finding in seen_by_checkov}


def test_checkov_sees_what_a_condition_makes(seen_by_checkov: list[Finding]):
    assert ("CKV_AWS_27", "infra/glue.yaml:PlantedPlain (plain)") in {(finding.rule, finding.where) for finding in seen_by_checkov}


def test_checkov_finds_nothing_else(seen_by_checkov: list[Finding]):
    assert [finding for finding in seen_by_checkov if ":Planted" not in finding.where] == []
