"""What the preflight concludes from what it reads, without a stack: connection strings and SAS, security groups, routes, roles, refusals."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError
from laptop.doctor import alerts, azure, azure_login, checkup, glue, network, refusals, rules, stack, warehouse
from laptop.doctor.blob_names import Selection
from laptop.doctor.checkup import Check
from laptop.doctor.findings import FAIL, NOTHING, OK, SKIP, WARN, Look, ok, skip
from laptop.doctor.network import Routes, Subnet
from laptop.doctor.rules import Peer
from laptop.doctor.sources import Contract
from laptop.failure import Failure

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
KEY = "AccountName=acc;AccountKey=czNjcmV0"
SECRETS = ("czNj", "S3CRET")


@pytest.mark.parametrize(
    ("secret", "endpoint"),
    [
        (KEY, "https://acc.blob.core.windows.net"),
        (f" {KEY};\n", "https://acc.blob.core.windows.net"),
        (f'{{"connectionString": "{KEY}"}}', "https://acc.blob.core.windows.net"),
        (f"DefaultEndpointsProtocol=https;{KEY};EndpointSuffix=core.chinacloudapi.cn", "https://acc.blob.core.chinacloudapi.cn"),
        (f"{KEY};BlobEndpoint=http://127.0.0.1:1/acc/", "http://127.0.0.1:1/acc"),
        ("BlobEndpoint=https://a.net/;SharedAccessSignature=?sv=1&sig=S3CRET", "https://a.net"),
        ("AccountName=acc;SharedAccessSignature=sv=1&sig=S3CRET", "https://acc.blob.core.windows.net"),
    ],
)
def test_a_connection_string_names_its_endpoint(secret: str, endpoint: str) -> None:
    login = azure_login.parse(secret)
    assert login.endpoint == endpoint
    assert (login.key, login.sas) in [("czNjcmV0", None), (None, "sv=1&sig=S3CRET")]
    assert not any(word in repr(login) for word in SECRETS)


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        ("S3CRET", "it is no Azure connection string"),
        ("AccountName=a;AccountKey=", "it is no Azure connection string"),
        ("AccountName=a;Password=S3CRET", "it is no Azure connection string"),
        ('{"other": "S3CRET"}', "it is JSON without connectionString"),
        ('{"connectionString": ["S3CRET"]}', "its connectionString is no text"),
        ('{"connectionString": S3CRET', "it is JSON without connectionString"),
        ("AccountName=a;EndpointSuffix=core.windows.net", "neither an AccountName with its AccountKey nor a SharedAccessSignature"),
        ("AccountKey=czNjcmV0", "neither an AccountName with its AccountKey nor a SharedAccessSignature"),
        ("SharedAccessSignature=sig=S3CRET", "neither an AccountName nor a BlobEndpoint"),
        ("AccountName=a;AccountKey=czNj!cmV0", "the AccountKey is no base64"),
        (f"{KEY};BlobEndpoint=S3CRET", "the BlobEndpoint of the connection string is no URL"),
        (f"{KEY};DefaultEndpointsProtocol=ftp", "neither http nor https"),
    ],
)
def test_a_secret_that_is_none_is_told_without_its_words(secret: str, says: str) -> None:
    with pytest.raises(azure_login.Unusable, match=says) as unusable:
        azure_login.parse(secret)
    assert says in unusable.value.finding.text
    assert not any(word in unusable.value.finding.text for word in SECRETS)


GOOD = {"sv": "2024-11-04", "ss": "b", "srt": "co", "sp": "rl", "se": "2026-12-31T00:00:00Z", "spr": "https", "sig": "S3CRET"}


def sas(endpoint: str = "https://acc.blob.core.windows.net", **changes: str | None) -> Iterator[tuple[str, str]]:
    fields = {name: value for name, value in (GOOD | changes).items() if value is not None}
    login = azure_login.parse(f"BlobEndpoint={endpoint};SharedAccessSignature={'&'.join(f'{name}={value}' for name, value in fields.items())}")
    return [(finding.level, finding.text) for finding in azure_login.examine(login, NOW)]


OF_A_CONTAINER = {"ss": None, "srt": None, "sr": "c"}


@pytest.mark.parametrize(
    ("changes", "level", "says"),
    [
        ({}, OK, "expires on 2026-12-31 00:00 UTC, in 35 days"),
        (OF_A_CONTAINER, OK, "reads blobs"),
        (OF_A_CONTAINER | {"sr": "b", "sp": "r"}, OK, "reads blobs"),
        ({"ss": "bfqt", "srt": "sco"}, OK, "reads blobs"),
        ({"se": "2026-12-31"}, OK, "expires on 2026-12-31 00:00 UTC"),
        ({"se": "2026-12-31T00:00Z"}, OK, "expires on 2026-12-31 00:00 UTC"),
        ({"se": "2026-12-31T02:00:00%2B02:00"}, OK, "expires on 2026-12-31 00:00 UTC"),
        ({"se": "2026-12-02T12:00:00Z"}, OK, "in 7 days"),
        ({"se": "2026-12-02T11:59:59Z"}, WARN, "expires on 2026-12-02 11:59 UTC, in 6 days: put a newer one into the secret before"),
        ({"se": "2026-11-26T00:00:00Z"}, WARN, "in 12 hours"),
        ({"se": "2026-11-25T12:00:00Z"}, FAIL, "expired on 2026-11-25 12:00 UTC: make a new one"),
        ({"se": "2025-11-25"}, FAIL, "expired on 2025-11-25"),
        ({"se": None}, WARN, "whose expiry stands nowhere that can be read: look it up"),
        ({"se": "soon"}, WARN, "whose expiry stands nowhere that can be read"),
        (OF_A_CONTAINER | {"se": None, "sp": None, "si": "nightly"}, WARN, "stands in the stored access policy nightly"),
        ({"st": "2026-11-26"}, FAIL, "is not valid before 2026-11-26"),
        ({"sp": "wl"}, FAIL, "does not permit reading"),
        ({"sp": None}, FAIL, "does not permit reading"),
        ({"ss": "qt"}, FAIL, "is not for the blob service"),
        ({"srt": "sc"}, FAIL, "is not for objects"),
        (OF_A_CONTAINER | {"sr": "s"}, FAIL, "is not for blobs"),
        ({"sig": None}, FAIL, "has no signature"),
        ({"sip": "10.0.0.1"}, WARN, "is for the addresses 10.0.0.1 only"),
        ({"endpoint": "http://127.0.0.1:1/acc"}, FAIL, "permits https only"),
        ({"endpoint": "http://a.net", "spr": None}, WARN, "the BlobEndpoint http://a.net is not encrypted"),
    ],
)
def test_a_sas(changes: dict, level: str, says: str) -> None:
    found = sas(**changes)
    assert (level, True) in [(its, says in text) for its, text in found], found
    assert not any("S3CRET" in text for _, text in found)
    # The worst that is said is what was meant.
    assert (FAIL in dict(found)) == (level == FAIL)
    assert WARN not in dict(found) or level == WARN


def test_an_account_key_is_enough() -> None:
    assert [finding.level for finding in azure_login.examine(azure_login.parse(KEY), NOW)] == [OK]


@pytest.mark.parametrize(
    ("pattern", "text", "is_prefix", "is_dated"),
    [
        ("a/transactions.json", "a/transactions.json", False, False),
        ("a/", "a/", True, False),
        ("a/part-*", "a/part-", True, False),
        ("{date}.json", "2026-11-05.json", False, True),
        ("{date:%Y/%m/%d}/", "2026/11/05/", True, True),
        ("{date:%y%j}-{date}*", "26309-2026-11-05", True, True),
    ],
)
def test_which_blobs_are_meant(pattern: str, text: str, is_prefix: bool, is_dated: bool) -> None:
    today = date(2026, 11, 5)
    assert Selection.of(pattern, today) == Selection(text, is_prefix, today if is_dated else None)


@pytest.mark.parametrize("pattern", ["{day}.json", "a}", "a*b", "{date:}", "{date"])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="but no other brace or star"):
        Selection.of(pattern, date(2026, 11, 5))


@pytest.mark.parametrize(
    ("variables", "sizes", "wanted", "level", "says"),
    [
        ({}, [], Selection("a", False, None), FAIL, "u does not exist: upload the transactions, or"),
        ({}, [], Selection("a", False, date(2026, 11, 5)), FAIL, "u does not exist: upload the transactions of 2026-11-05, or"),
        ({}, [], Selection("a/", True, None), FAIL, "u holds no blob: upload"),
        ({"ALLOW_EMPTY": "false"}, [], Selection("a/", True, None), FAIL, "u holds no blob"),
        ({"ALLOW_EMPTY": "true"}, [], Selection("a/", True, None), WARN, "for AllowEmpty is true"),
        ({"ALLOW_EMPTY": "true"}, [0], Selection("a", False, None), FAIL, "u is empty: upload the transactions again"),
    ],
)
def test_a_blob_that_is_missing(variables: dict, sizes: list[int], wanted: Selection, level: str, says: str) -> None:
    finding = azure.missing("u", wanted, [SimpleNamespace(size=size) for size in sizes], stack.Functions(variables, {}, {}))
    assert (finding.level, says in finding.text) == (level, True), finding


def test_without_a_stored_secret_there_is_none_to_look_at() -> None:
    looking = azure.secret(None, stack.Functions({"AZURE_SECRET_ID": ""}, {}, {}))
    assert next(looking).level == SKIP
    with pytest.raises(StopIteration) as end:
        next(looking)
    assert end.value.value is NOTHING


def rule(protocol: str = "tcp", ports: tuple[int, int] | None = (0, 65535), groups: str = "", cidr: str = "", lists: str = "") -> dict:
    permission = {"IpProtocol": protocol, "UserIdGroupPairs": [{"GroupId": group} for group in groups.split()]}
    permission |= {"IpRanges": [{"CidrIp": cidr}] if cidr else [], "PrefixListIds": [{"PrefixListId": name} for name in lists.split()]}
    return permission | ({"FromPort": ports[0], "ToPort": ports[1]} if ports else {})


@pytest.mark.parametrize(
    ("permission", "passes"),
    [
        (rule(groups="sg-1"), True),
        (rule("-1", None, groups="sg-1"), True),
        (rule("6", groups="sg-0 sg-1"), True),
        (rule(cidr="10.0.0.0/8"), True),
        (rule(cidr="10.1.2.0/24"), True),
        (rule("-1", None, cidr="0.0.0.0/0"), True),
        (rule(groups="sg-2"), False),
        (rule("udp", groups="sg-1"), False),
        (rule(ports=(1, 65535), groups="sg-1"), False),
        (rule(ports=(0, 65534), groups="sg-1"), False),
        (rule(ports=(5439, 5439), groups="sg-1"), False),
        (rule(cidr="10.1.2.0/25"), False),
        (rule(), False),
    ],
)
def test_all_ports_to_a_peer(permission: dict, passes: bool) -> None:
    peer = Peer(frozenset({"sg-1"}), "10.1.2.0/24")
    assert rules.lets_all_pass([rule(groups="sg-9"), permission], peer) is passes


@pytest.mark.parametrize(("ports", "passes"), [((5439, 5439), True), ((5400, 5500), True), ((0, 65535), True), ((5440, 5500), False), ((5400, 5438), False)])
def test_one_port_to_a_peer(ports: tuple[int, int], passes: bool) -> None:
    assert rules.lets_pass([rule(ports=ports, groups="sg-1")], Peer(frozenset({"sg-1"})), range(5439, 5440)) is passes


@pytest.mark.parametrize(
    ("permission", "reaches"),
    [
        (rule(ports=(443, 443), cidr="0.0.0.0/0"), True),
        (rule("-1", None, cidr="0.0.0.0/0"), True),
        (rule(ports=(443, 443), lists="pl-1"), True),
        (rule(ports=(443, 443), cidr="10.0.0.0/8"), False),
        (rule(ports=(80, 80), cidr="0.0.0.0/0"), False),
        (rule(ports=(80, 80), lists="pl-1"), False),
    ],
)
def test_the_way_out_to_s3(permission: dict, reaches: bool) -> None:
    assert rules.reaches_s3([permission]) is reaches


@pytest.mark.parametrize(
    ("route", "out"),
    [
        ({"NatGatewayId": "nat-1"}, "nat-1"),
        ({"TransitGatewayId": "tgw-1"}, "tgw-1"),
        ({"GatewayId": "vgw-1"}, "vgw-1"),
        ({"GatewayId": "igw-1"}, None),
        ({"VpcPeeringConnectionId": "pcx-1"}, None),
        ({"NatGatewayId": "nat-1", "State": "blackhole"}, None),
        ({"NatGatewayId": "nat-1", "DestinationCidrBlock": "10.0.0.0/8"}, None),
    ],
)
def test_the_way_out_of_a_subnet(route: dict, out: str | None) -> None:
    local = {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"}
    assert rules.way_out({"Routes": [local, {"DestinationCidrBlock": "0.0.0.0/0", "State": "active"} | route]}) == out


@pytest.mark.parametrize(
    ("wanted", "namespace", "level", "says"),
    [
        ("arn:1", {"iamRoles": ["arn:1"]}, OK, "arn:1 is attached to the namespace n"),
        ("arn:1", {"iamRoles": ["IamRole(applyStatus=in-sync, iamRoleArn=arn:1)"]}, OK, "arn:1 is attached"),
        ("arn:1", {"iamRoles": ["IamRole(iamRoleArn=arn:1, applyStatus=in-sync)"]}, OK, "arn:1 is attached"),
        ("arn:1", {"iamRoles": ["IamRole(iamRoleArn=arn:1, applyStatus=adding)"]}, WARN, "arn:1 is still adding"),
        ("arn:1", {"iamRoles": ["arn:11"]}, FAIL, "arn:1 is not attached to the namespace n: attach it"),
        ("", {"iamRoles": ["arn:1"], "defaultIamRoleArn": "arn:1"}, OK, "as its default"),
        ("", {"iamRoles": ["arn:1"]}, FAIL, "the namespace n has no default role, and CopyRoleArn is empty"),
    ],
)
def test_the_role_of_copy(wanted: str, namespace: dict, level: str, says: str) -> None:
    finding = warehouse.role_of_copy(wanted, namespace | {"namespaceName": "n"})
    assert (finding.level, says in finding.text) == (level, True), finding


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("jdbc:redshift://w.1.us-east-1.redshift-serverless.amazonaws.com:5440/dev", ("w.1.us-east-1.redshift-serverless.amazonaws.com", 5440, "dev")),
        ("jdbc:redshift://host/dev", ("host", 5439, "dev")),
        ("jdbc:postgresql://127.0.0.1/dev", ("127.0.0.1", 5432, "dev")),
        ("", ("", 0, "")),
    ],
)
def test_where_a_jdbc_url_leads(url: str, place: tuple) -> None:
    assert glue.place(url) == place


class Ec2:
    """Describes what it was given, by the name of the operation and the ID that is asked for."""

    def __init__(self, **described: dict) -> None:
        self._described = described

    def describe_security_groups(self, GroupIds: list[str]) -> dict:  # noqa: N803
        return {"SecurityGroups": [self._described[group] for group in GroupIds]}

    def get_paginator(self, _: str) -> "Ec2":
        return self

    def paginate(self, Filters: list[dict]) -> list[dict]:  # noqa: N803
        service = Filters[1]["Values"][0].rpartition(".")[2]
        return [{"VpcEndpoints": [door for door in self._described.get("doors", []) if door["ServiceName"].endswith(f".{service}")]}]


HERE = Subnet("subnet-1", "vpc-1", "10.1.2.0/24", "eu-central-1", ("sg-1",))


def levels_and_texts(look: Look) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in look]


@pytest.mark.parametrize(
    ("permission", "level", "says"),
    [
        (rule(ports=(5439, 5439), groups="sg-1"), OK, "lets the job in on port 5439"),
        (rule(ports=(5439, 5439), cidr="10.1.0.0/16"), OK, "lets the job in"),
        (rule(ports=(5432, 5432), groups="sg-1"), FAIL, "add an inbound rule, TCP 5439, whose source is sg-1"),
        (rule(ports=(5439, 5439), groups="sg-3"), FAIL, "the warehouse's sg-2 does not let the job in"),
    ],
)
def test_the_warehouse_lets_the_job_in(permission: dict, level: str, says: str) -> None:
    ec2 = Ec2(**{"sg-2": {"GroupId": "sg-2", "IpPermissions": [permission]}})
    connection = {"ConnectionProperties": {"JDBC_CONNECTION_URL": "jdbc:redshift://host:5439/dev"}}
    workgroup = {"workgroupName": "w", "endpoint": {"address": "host", "port": 5439}, "securityGroupIds": ["sg-2"]}
    ((found, text),) = levels_and_texts(network.way_to_the_warehouse(lambda _: ec2, connection, HERE, workgroup))
    assert (found, says in text) == (level, True), text


def test_a_connection_to_another_host_is_told() -> None:
    connection = {"ConnectionProperties": {"JDBC_CONNECTION_URL": "jdbc:redshift://other/dev"}}
    ((level, text),) = levels_and_texts(network.way_to_the_warehouse(None, connection, HERE, {"endpoint": {"address": "host"}}))
    assert (level, "leads to other, the workgroup is at host" in text) == (WARN, True)


class OneSubnet:
    meta = SimpleNamespace(region_name="eu-central-1")

    def describe_subnets(self, SubnetIds: list[str]) -> dict:  # noqa: N803
        if SubnetIds != ["subnet-1"]:
            raise refused("InvalidSubnetID.NotFound", operation="DescribeSubnets")
        return {"Subnets": [{"AvailabilityZone": "eu-central-1b", "AvailableIpAddressCount": 11, "VpcId": "vpc-1", "CidrBlock": "10.1.2.0/24"}]}


IN_SUBNET = {"SubnetId": "subnet-1", "AvailabilityZone": "eu-central-1b", "SecurityGroupIdList": ["sg-1"]}


@pytest.mark.parametrize(
    ("wanted", "workers", "level", "says", "fact"),
    [
        (IN_SUBNET, 10, OK, "subnet-1 of vpc-1 in eu-central-1b, 11 addresses are free", HERE),
        (IN_SUBNET, 11, FAIL, "subnet-1 has 11 free addresses: the job's 11 workers need more; free some", None),
        (IN_SUBNET | {"AvailabilityZone": "eu-central-1a"}, 2, FAIL, "the connection says eu-central-1a: correct WarehouseAvailabilityZone", None),
        (IN_SUBNET | {"SubnetId": "subnet-2"}, 2, FAIL, "subnet-2 does not exist: give another one as WarehouseSubnetId", None),
        (None, 2, SKIP, "no network was given: the job runs outside a VPC", NOTHING),
    ],
)
def test_the_subnet_has_room(wanted: dict | None, workers: int, level: str, says: str, fact: object) -> None:
    looking = network.subnet(lambda _: OneSubnet(), {"PhysicalConnectionRequirements": wanted}, {"NumberOfWorkers": workers})
    finding = next(looking)
    assert (finding.level, says in finding.text) == (level, True), finding
    with pytest.raises(StopIteration) as end:
        next(looking)
    assert end.value.value == fact


def door(service: str, **fields) -> dict:
    whole = {"VpcEndpointId": f"vpce-{service}", "VpcEndpointType": "Interface", "VpcId": "vpc-1", "State": "available", "PrivateDnsEnabled": True}
    return whole | {"ServiceName": f"com.amazonaws.eu-central-1.{service}", "Groups": [{"GroupId": "sg-2"}]} | fields


@pytest.mark.parametrize(
    ("doors", "way_out", "level", "says"),
    [
        ([door("glue"), door("secretsmanager"), door("logs")], None, OK, "each by an endpoint"),
        ([], "nat-1", OK, "through nat-1"),
        (
            [door("secretsmanager"), door("logs")],
            None,
            FAIL,
            "to glue, and the job cannot start its work: add an interface endpoint",
        ),
        ([door("glue"), door("secretsmanager")], None, WARN, "to logs, and its logs do not arrive"),
        ([door("glue"), door("secretsmanager", State="pending"), door("logs")], None, FAIL, "to secretsmanager"),
        ([door("glue", VpcId="vpc-2"), door("secretsmanager"), door("logs")], None, FAIL, "to glue"),
        (
            [door("glue", PrivateDnsEnabled=False), door("secretsmanager"), door("logs")],
            None,
            FAIL,
            "vpce-glue (com.amazonaws.eu-central-1.glue) has no",
        ),
        ([door("glue", Groups=[{"GroupId": "sg-3"}]), door("secretsmanager"), door("logs")], None, FAIL, "let TCP 443 in from sg-1 in sg-3"),
    ],
)
def test_the_services_are_reached(doors: list[dict], way_out: str | None, level: str, says: str) -> None:
    groups = {"sg-2": {"IpPermissions": [rule(ports=(443, 443), groups="sg-1")]}, "sg-3": {"IpPermissions": [rule(ports=(80, 80), groups="sg-1")]}}
    found = levels_and_texts(network.services(lambda _: Ec2(doors=doors, **groups), HERE, Routes("rtb-1", way_out), {}))
    assert [(its, says in text) for its, text in found] == [(level, True)], found


@pytest.mark.parametrize(
    ("doors", "way_out", "level", "says"),
    [
        ([door("s3", VpcEndpointType="Gateway", RouteTableIds=["rtb-1"])], None, OK, "vpce-s3 in rtb-1"),
        ([door("s3")], None, OK, "an interface endpoint"),
        ([], "nat-1", OK, "a way out through nat-1"),
        ([door("s3", VpcEndpointType="Gateway", RouteTableIds=["rtb-2"])], None, FAIL, "com.amazonaws.eu-central-1.s3 to rtb-1"),
        ([door("s3", PrivateDnsEnabled=False)], None, FAIL, "there is no way from subnet-1 to S3"),
    ],
)
def test_s3_is_reached(doors: list[dict], way_out: str | None, level: str, says: str) -> None:
    found = levels_and_texts(network.s3(lambda _: Ec2(doors=doors), HERE, Routes("rtb-1", way_out)))
    assert [(its, says in text) for its, text in found] == [(level, True)], found


class Warehouse:
    """Answers each of the questions about privileges with the rows that it was given for it."""

    def __init__(self, schemas: list[dict], tables: list[dict]) -> None:
        self._schemas, self._tables = schemas, tables

    def rows(self, sql: str, **parameters: str) -> list[dict]:
        if "pg_namespace" in sql:
            return [row for row in self._schemas if row["nspname"] in parameters.values()]
        return [row for row in self._tables if (row["schemaname"], row["tablename"]) == (parameters["schema"], parameters["table"])]


USER = {"usename": "loader", "usesuper": "false", "database_name": "dev", "creates": "true", "creates_temporary": "t"}
MAY = {"selects": "true", "inserts": "true", "updates": "true", "deletes": "true"}
TARGET = {"schemaname": "analytics", "tablename": "sales", "tableowner": "loader"} | MAY
SCHEMA = {"nspname": "analytics", "creates": "true", "uses": "true"}


@pytest.mark.parametrize(
    ("user", "schemas", "there", "level", "says"),
    [
        ({}, [], [], OK, "loader may make schemas, tables and temporary tables; analytics.sales and crosstally.* will be made"),
        ({}, [SCHEMA], [TARGET], OK, "analytics.sales are there and its own"),
        ({"creates": "false"}, [], [], FAIL, 'GRANT CREATE ON DATABASE "dev" TO "loader"'),
        ({"creates_temporary": "f"}, [], [], FAIL, 'GRANT TEMP ON DATABASE "dev" TO "loader"'),
        ({}, [SCHEMA | {"creates": "false"}], [], FAIL, 'GRANT CREATE ON SCHEMA "analytics" TO "loader"'),
        # What lies in a schema that is closed is not asked for.
        ({}, [SCHEMA | {"uses": "false"}], [TARGET | {"tableowner": "other", "selects": "false"}], FAIL, 'GRANT USAGE ON SCHEMA "analytics" TO "loader"'),
        ({}, [SCHEMA], [TARGET | {"tableowner": "other"}], WARN, "belongs to other, so that a changed contract cannot add columns"),
        ({}, [SCHEMA], [TARGET | {"tableowner": "other", "deletes": "false"}], FAIL, 'ALTER TABLE "analytics"."sales" OWNER TO "loader"'),
        ({"usesuper": "true"}, [SCHEMA], [TARGET | {"tableowner": "other"}], OK, "are there"),
    ],
)
def test_what_the_user_may_make(user: dict, schemas: list[dict], there: list[dict], level: str, says: str) -> None:
    found = levels_and_texts(warehouse.tables(None, (Warehouse(schemas, there), USER | user), Contract("analytics", "sales", False)))
    assert [(its, says in text) for its, text in found] == [(level, True)], found


@pytest.mark.parametrize(
    ("target", "column", "found"),
    [
        ({"name": "sales", "physicalName": "analytics.sales_2"}, {"name": "email"}, Contract("analytics", "sales_2", False)),
        ({"name": "sales"}, {"customProperties": [{"property": "mask", "value": "last4"}]}, Contract("public", "sales", False)),
        ({"name": "sales"}, {"customProperties": [{"property": "mask", "value": "sha256"}]}, Contract("public", "sales", True)),
    ],
)
def test_what_a_contract_says(target: dict, column: dict, found: Contract) -> None:
    join = {"customProperties": [{"property": "other"}, {"property": "join", "value": {}}]}
    assert Contract.of({"schema": [{"name": "customers", "properties": [{"name": "id"}, column]}, target | join]}) == found


class CloudFormation:
    def __init__(self, status: str) -> None:
        self._status = status

    def describe_stacks(self, StackName: str) -> dict:  # noqa: N803
        return {"Stacks": [{"StackId": f"arn:aws:cloudformation:eu-central-1:123456789012:stack/{StackName}/1", "StackStatus": self._status}]}


@pytest.mark.parametrize(
    ("status", "level", "says", "goes_on"),
    [
        ("CREATE_COMPLETE", OK, "crosstally-prod in eu-central-1, account 123456789012, CREATE_COMPLETE", True),
        ("UPDATE_COMPLETE", OK, "UPDATE_COMPLETE", True),
        ("UPDATE_ROLLBACK_COMPLETE", WARN, "the last change did not go through", True),
        ("ROLLBACK_COMPLETE", FAIL, "delete the stack, deploy again", False),
        ("CREATE_IN_PROGRESS", FAIL, "wait for the end of the deployment", False),
        ("UPDATE_ROLLBACK_IN_PROGRESS", FAIL, "wait for the end of the deployment", False),
        ("REVIEW_IN_PROGRESS", FAIL, "its first change set was never carried out; deploy it", False),
        ("UPDATE_ROLLBACK_FAILED", FAIL, "bring it to a COMPLETE state", False),
        ("DELETE_FAILED", FAIL, "bring it to a COMPLETE state", False),
    ],
)
def test_the_state_of_a_stack(status: str, level: str, says: str, goes_on: bool) -> None:
    looking = stack.stack(lambda _: CloudFormation(status), name="crosstally-prod")
    finding = next(looking)
    assert (finding.level, says in finding.text) == (level, True), finding
    with pytest.raises(StopIteration) as end:
        next(looking)
    assert (end.value.value is not None) is goes_on


@pytest.mark.parametrize(
    ("subscriptions", "level", "says"),
    [
        ([], WARN, "nobody is subscribed to arn:topic: deploy with AlertEmail"),
        (["PendingConfirmation"], WARN, "no subscription to arn:topic is confirmed: open the link in the mail"),
        (["PendingConfirmation", "arn:topic:1"], OK, "email is subscribed to arn:topic"),
    ],
)
def test_who_hears_of_a_failure(subscriptions: list[str], level: str, says: str) -> None:
    class Sns:
        def get_paginator(self, _: str) -> "Sns":
            return self

        def paginate(self, TopicArn: str) -> list[dict]:  # noqa: N803
            return [{"Subscriptions": [{"SubscriptionArn": arn, "Protocol": "email", "TopicArn": TopicArn} for arn in subscriptions]}]

    where = stack.Description("crosstally-prod", "eu-central-1", "123456789012", {"AlertTopicArn": "arn:topic"})
    assert [(its, says in text) for its, text in levels_and_texts(alerts.topic(lambda _: Sns(), where))] == [(level, True)]


def refused(code: str, message: str = "", operation: str = "GetWorkgroup") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (refused("AccessDeniedException"), "have redshift-serverless:GetWorkgroup allowed"),
        (refused("403", "Forbidden", "HeadObject"), "have s3:GetObject and s3:ListBucket allowed"),
        (refused("UnauthorizedOperation", "You are not authorized to perform this operation.", "DescribeSubnets"), "have ec2:DescribeSubnets allowed"),
        (refused("AccessDeniedException", "User: a is not authorized to perform: kms:Decrypt on b", "GetSecretValue"), "have kms:Decrypt allowed"),
        (refused("ExpiredTokenException"), "log in again"),
        (refused("Throttling", "Rate exceeded."), "GetWorkgroup failed with Throttling, Rate exceeded:"),
        (NoCredentialsError(), "set AWS_PROFILE"),
        (NoRegionError(), "set AWS_REGION"),
    ],
)
def test_a_refusal_says_what_to_do(error: Exception, says: str) -> None:
    finding = refusals.explain(error)
    assert (finding.level, says in finding.text) == (FAIL, True), finding.text


def test_checks_go_on_unless_they_build_on_one_another() -> None:
    def good(_, *facts) -> Look:
        yield ok(f"with {facts}")
        return "fact"

    def refuses(_) -> Look:
        yield ok("at first")
        raise refused("AccessDeniedException")

    def fails(_) -> Look:
        raise Failure("WarehouseRefused", "it does not answer.")
        yield

    def breaks(_) -> Look:
        raise KeyError("hunter2")
        yield

    def absent(_) -> Look:
        yield skip("there is none")
        return NOTHING

    checks = [
        Check("a", refuses),
        Check("b", good),
        Check("on a", good, ("b", "a")),
        Check("on on a", good, ("on a",)),
        Check("on b", good, ("b",)),
        Check("c", fails),
        Check("broken", breaks),
        Check("d", absent),
        Check("on d", good, ("d", "a")),
    ]
    found = [(subject, finding.level, finding.text) for subject, finding in checkup.run(checks, None)]
    assert [(subject, level) for subject, level, _ in found] == [
        ("a", OK),
        ("a", FAIL),
        ("b", OK),
        ("on a", SKIP),
        ("on on a", SKIP),
        ("on b", OK),
        ("c", FAIL),
        ("broken", FAIL),
        ("d", SKIP),
    ]
    assert found[3][2] == found[4][2] == "not looked at, since it builds on: a"
    assert found[5][2] == "with ('fact',)"
    assert found[6][2] == "it does not answer: correct that, and look again"
    assert found[7][2].startswith("this check itself failed with KeyError in breaks, line ")
    assert "hunter2" not in found[7][2]
