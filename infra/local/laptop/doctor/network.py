"""The network of the Glue job: what it needs there, a driver that can talk to its executors, and a way to the warehouse, to S3 and to three services.

The job needs no more: its code asks S3, Glue and Secrets Manager and writes logs; STS, which Glue's guide names too, is for the console's test of a connection.
Sources: "Setting up network access to data stores" and "Connecting to a JDBC data store in a VPC" in the AWS Glue Developer Guide, and "How do I troubleshoot a
failed test connection in AWS Glue?" in the AWS Knowledge Center, read 2026-11-25.
"""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from laptop.deployed import Client
from laptop.doctor import refusals, rules
from laptop.doctor.findings import NOTHING, Look, fail, ok, skip, warn
from laptop.doctor.glue import place
from laptop.doctor.rules import Peer


@dataclass(frozen=True)
class Subnet:
    id: str
    vpc: str
    cidr: str
    region: str
    groups: tuple[str, ...]  # the job's


@dataclass(frozen=True)
class Routes:
    table: str
    way_out: str | None


def subnet(client: Client, connection: dict, job: dict) -> Look:
    wanted = connection.get("PhysicalConnectionRequirements") or {}
    if not wanted.get("SubnetId"):
        yield skip("no network was given: the job runs outside a VPC")
        return NOTHING
    name, ec2 = wanted["SubnetId"], client("ec2")
    try:
        (found,) = ec2.describe_subnets(SubnetIds=[name])["Subnets"]
    except ClientError as error:
        if refusals.code(error) != "InvalidSubnetID.NotFound":
            raise
        yield fail(f"{name} does not exist", "give another one as WarehouseSubnetId, with its Availability Zone, and deploy again")
        return None
    # Glue wants more free addresses than the job has workers.
    zone, free, workers = found["AvailabilityZone"], found["AvailableIpAddressCount"], int(job.get("NumberOfWorkers", 2))
    if zone != wanted.get("AvailabilityZone"):
        yield fail(f"{name} is in {zone}, the connection says {wanted.get('AvailabilityZone')}", "correct WarehouseAvailabilityZone, and deploy again")
        return None
    if free <= workers:
        yield fail(f"{name} has {free} free addresses", f"the job's {workers} workers need more; free some, or give another subnet")
        return None
    yield ok(f"{name} of {found['VpcId']} in {zone}, {free} addresses are free")
    return Subnet(name, found["VpcId"], found["CidrBlock"], ec2.meta.region_name, tuple(wanted.get("SecurityGroupIdList", [])))


def security_group(client: Client, _: dict, here: Subnet) -> Look:
    try:
        groups = client("ec2").describe_security_groups(GroupIds=list(here.groups))["SecurityGroups"]
    except ClientError as error:
        if refusals.code(error) not in ("InvalidGroup.NotFound", "InvalidGroupId.Malformed"):
            raise
        yield fail(f"{', '.join(here.groups)} does not exist", "give another one as WarehouseSecurityGroupId, and deploy again")
        return None
    # One group's own members: what several groups let in between them is no self-reference to Glue.
    own = [group for group in groups if rules.lets_all_pass(group["IpPermissions"], Peer(frozenset({group["GroupId"]})))]
    names = ", ".join(here.groups)
    flaws = []
    if not own:
        flaws.append(fail(f"{names} does not let its own members in", "add an inbound rule, all TCP ports, whose source is the group itself; Glue demands it"))
    outbound = [permission for group in groups for permission in group["IpPermissionsEgress"]]
    if not rules.lets_all_pass(outbound, Peer(frozenset(here.groups), here.cidr)):
        flaws.append(fail(f"{names} does not let out to its own members", "add an outbound rule, all TCP ports, whose destination is the group itself"))
    if not rules.reaches_s3(outbound):
        flaws.append(fail(f"{names} does not let HTTPS out to S3", "add an outbound rule, TCP 443, to 0.0.0.0/0 or to S3's prefix list"))
    yield from flaws
    if flaws:
        return None
    yield ok(f"{names} lets its own members in and out on every TCP port, and HTTPS out")
    return groups


def way_to_the_warehouse(client: Client, connection: dict, here: Subnet, workgroup: dict) -> Look:
    url = connection["ConnectionProperties"]["JDBC_CONNECTION_URL"]
    host, port, _ = place(url)
    endpoint = workgroup["endpoint"]
    if host != endpoint["address"]:
        yield warn(f"the connection leads to {host}, the workgroup is at {endpoint['address']}", "make sure that both are the same warehouse")
        return None
    if not workgroup.get("securityGroupIds"):
        yield skip(f"the workgroup {workgroup['workgroupName']} names no security group")
        return NOTHING
    groups = client("ec2").describe_security_groups(GroupIds=workgroup["securityGroupIds"])["SecurityGroups"]
    inbound = [permission for group in groups for permission in group["IpPermissions"]]
    names = ", ".join(workgroup["securityGroupIds"])
    if not rules.lets_pass(inbound, Peer(frozenset(here.groups), here.cidr), range(port, port + 1)):
        yield fail(f"the warehouse's {names} does not let the job in", f"add an inbound rule, TCP {port}, whose source is {', '.join(here.groups)}")
        return None
    yield ok(f"the warehouse's {names} lets the job in on port {port}")
    return None


def routes(client: Client, here: Subnet) -> Look:
    describe = client("ec2").describe_route_tables
    tables = describe(Filters=[{"Name": "association.subnet-id", "Values": [here.id]}])["RouteTables"]
    # A subnet without a table of its own has the VPC's.
    filters = [{"Name": "vpc-id", "Values": [here.vpc]}, {"Name": "association.main", "Values": ["true"]}]
    tables = tables or describe(Filters=filters)["RouteTables"]
    if not tables:
        yield fail(f"neither {here.id} nor {here.vpc} has a route table", "associate one with the subnet")
        return None
    table, out = tables[0]["RouteTableId"], rules.way_out(tables[0])
    yield ok(f"{table} of {here.id}, " + (f"out through {out}" if out else "no way out but by endpoints"))
    return Routes(table, out)


def s3(client: Client, here: Subnet, ways: Routes) -> Look:
    doors = _doors(client, here, "s3")
    if gateway := next((door for door in doors if ways.table in door.get("RouteTableIds", [])), None):
        yield ok(f"{gateway['VpcEndpointId']} in {ways.table}")
    elif interface := next((door for door in doors if door["VpcEndpointType"] == "Interface" and door.get("PrivateDnsEnabled")), None):
        yield ok(f"{interface['VpcEndpointId']}, an interface endpoint with a private DNS name")
    elif ways.way_out:
        yield ok(f"none, but a way out through {ways.way_out}")
    else:
        advice = f"add a gateway endpoint for com.amazonaws.{here.region}.s3 to {ways.table}; it costs nothing"
        yield fail(f"there is no way from {here.id} to S3", advice)
        return None
    return doors


def services(client: Client, here: Subnet, ways: Routes, _: dict) -> Look:
    missing, flaws = [], []
    for name in ("glue", "secretsmanager", "logs"):
        doors = [door for door in _doors(client, here, name) if door["VpcEndpointType"] == "Interface"]
        if not doors and not ways.way_out:
            missing.append(name)
        for door in doors:
            flaws += _flaws(client, here, door)
    for name in missing:
        what = "its logs do not arrive" if name == "logs" else "the job cannot start its work"
        level = warn if name == "logs" else fail
        advice = f"add an interface endpoint for com.amazonaws.{here.region}.{name} with a private DNS name, or a NAT"
        flaws.append(level(f"there is no way from {here.id} to {name}, and {what}", advice))
    yield from flaws
    if not flaws:
        yield ok(f"Glue, Secrets Manager and CloudWatch Logs are reached, {f'through {ways.way_out}' if ways.way_out else 'each by an endpoint'}")
    return None


def _flaws(client: Client, here: Subnet, door: dict) -> list:
    name, flaws = f"{door['VpcEndpointId']} ({door['ServiceName']})", []
    # The emulator leaves out the setting and the groups, which AWS always tells.
    if door.get("PrivateDnsEnabled") is False:
        flaws.append(fail(f"{name} has no private DNS name", "enable it; the job asks for the service's ordinary name"))
    if groups := [group["GroupId"] for group in door.get("Groups", [])]:
        found = client("ec2").describe_security_groups(GroupIds=groups)["SecurityGroups"]
        inbound = [permission for group in found for permission in group["IpPermissions"]]
        if not rules.lets_pass(inbound, Peer(frozenset(here.groups), here.cidr), range(443, 444)):
            flaws.append(fail(f"{name} does not let the job in", f"let TCP 443 in from {', '.join(here.groups)} in {', '.join(groups)}"))
    return flaws


def _doors(client: Client, here: Subnet, service: str) -> list[dict[str, Any]]:
    filters = [{"Name": "vpc-id", "Values": [here.vpc]}, {"Name": "service-name", "Values": [f"com.amazonaws.{here.region}.{service}"]}]
    pages = client("ec2").get_paginator("describe_vpc_endpoints").paginate(Filters=filters)
    # Filtered once more, since the emulator does not filter.
    return [
        door
        for page in pages
        for door in page["VpcEndpoints"]
        if door["VpcId"] == here.vpc and door["ServiceName"].endswith(f".{service}") and door["State"].lower() == "available"
    ]
