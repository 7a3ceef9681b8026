"""The network of a warehouse that is there already, as a customer would bring it: private, without a NAT, and with a door to each service the Glue job calls.

The emulator keeps it and answers for it; nothing on a laptop runs inside it.
"""

from dataclasses import dataclass

from laptop.environment import REGION
from laptop.stack import Servers

_CIDR, _SUBNET_CIDR, _ZONE = "10.78.0.0/16", "10.78.1.0/24", f"{REGION}a"
_DOORS = ("glue", "secretsmanager", "logs")


@dataclass(frozen=True)
class Network:
    subnet: str
    security_group: str
    zone: str


def make(stack: Servers) -> Network:
    ec2 = stack.client("ec2")
    vpc = ec2.create_vpc(CidrBlock=_CIDR)["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=_SUBNET_CIDR, AvailabilityZone=_ZONE)["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    group = ec2.create_security_group(GroupName="crosstally-local-glue", Description="The Glue job and the warehouse", VpcId=vpc)["GroupId"]
    # Every new group lets everything out; only its own members come in.
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=self_reference(group))
    ec2.create_vpc_endpoint(VpcEndpointType="Gateway", VpcId=vpc, ServiceName=service("s3"), RouteTableIds=[table])
    for door in _DOORS:
        ec2.create_vpc_endpoint(
            VpcEndpointType="Interface", VpcId=vpc, ServiceName=service(door), SubnetIds=[subnet], SecurityGroupIds=[group], PrivateDnsEnabled=True
        )
    return Network(subnet, group, _ZONE)


def parameters(network: Network) -> dict[str, str]:
    """As the template takes them."""
    return {"WarehouseSubnetId": network.subnet, "WarehouseSecurityGroupId": network.security_group, "WarehouseAvailabilityZone": network.zone}


def self_reference(group: str) -> list[dict]:
    return [{"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535, "UserIdGroupPairs": [{"GroupId": group}]}]


def service(name: str) -> str:
    return f"com.amazonaws.{REGION}.{name}"
