"""What security groups and route tables let pass, as EC2 describes them."""

import ipaddress
from collections.abc import Collection, Iterable
from dataclasses import dataclass

_ALL_PORTS = range(65536)
_EVERYWHERE = "0.0.0.0/0"
# A peering is none of them: it leads to the other network and no further.
_TARGETS = ("NatGatewayId", "TransitGatewayId", "NetworkInterfaceId", "InstanceId", "GatewayId")


@dataclass(frozen=True)
class Peer:
    """Who is at the other end: members of security groups, and a range of addresses, where they are known."""

    groups: frozenset[str] = frozenset()
    cidr: str | None = None


def lets_pass(permissions: Iterable[dict], peer: Peer, ports: range) -> bool:
    """Whether one rule lets TCP pass, on all these ports, between the group and every one of the peer."""
    return any(_covers(permission, ports) and _is_about(permission, peer) for permission in permissions)


def lets_all_pass(permissions: Iterable[dict], peer: Peer) -> bool:
    return lets_pass(permissions, peer, _ALL_PORTS)


def reaches_s3(permissions: Iterable[dict]) -> bool:
    """S3 behind its gateway endpoint keeps its public addresses; a rule names all addresses, or AWS's list of S3's."""
    https = [permission for permission in permissions if _covers(permission, range(443, 444))]
    return lets_pass(https, Peer(cidr=_EVERYWHERE), range(443, 444)) or any(permission.get("PrefixListIds") for permission in https)


def way_out(table: dict) -> str | None:
    """Where the table sends what has no other way, if that works for an interface without a public address, which is all that Glue has."""
    for route in table.get("Routes", []):
        if route.get("DestinationCidrBlock") != _EVERYWHERE or route.get("State") == "blackhole":
            continue
        target = next((route[key] for key in _TARGETS if route.get(key)), None)
        if target and not target.startswith("igw-"):
            return target
    return None


def _covers(permission: dict, ports: range) -> bool:
    protocol = permission["IpProtocol"]
    if protocol == "-1":
        return True
    return protocol in ("tcp", "6") and permission.get("FromPort", 0) <= ports[0] and ports[-1] <= permission.get("ToPort", 65535)


def _is_about(permission: dict, peer: Peer) -> bool:
    if _groups(permission) & peer.groups:
        return True
    return peer.cidr is not None and any(_contains(found["CidrIp"], peer.cidr) for found in permission.get("IpRanges", []))


def _groups(permission: dict) -> Collection[str]:
    return {pair.get("GroupId") for pair in permission.get("UserIdGroupPairs", [])}


def _contains(whole: str, part: str) -> bool:
    return ipaddress.ip_network(part, strict=False).subnet_of(ipaddress.ip_network(whole, strict=False))
