"""The Glue job and the JDBC connection that it loads over."""

import re
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from laptop.deployed import LOOPBACK, Client
from laptop.doctor import refusals
from laptop.doctor.findings import NOTHING, Look, fail, ok, skip, warn
from laptop.doctor.stack import Functions

_PORTS = {"redshift": 5439, "postgresql": 5432}
_DEPLOY = "deploy the stack again; it makes it"


def job(client: Client, functions: Functions) -> Look:
    if functions.loads["LOAD_MODE"] != "glue":
        yield skip(f"LOAD_MODE is {functions.loads['LOAD_MODE']}: no Glue job runs, and nothing goes over its connection and network")
        return NOTHING
    name = functions.loads["GLUE_JOB_NAME"]
    try:
        found = client("glue").get_job(JobName=name)["Job"]
    except ClientError as error:
        if refusals.code(error) != "EntityNotFoundException":
            raise
        yield fail(f"there is no Glue job {name}", _DEPLOY)
        return None
    connections = found.get("Connections", {}).get("Connections", [])
    if not connections:
        yield fail(f"the Glue job {name} has no connection", _DEPLOY)
        return None
    yield ok(f"{name}, Glue {found.get('GlueVersion')}, over the connection {', '.join(connections)}")
    return found


def connection(client: Client, functions: Functions, found: dict) -> Look:
    name = found["Connections"]["Connections"][0]
    try:
        there = client("glue").get_connection(Name=name, HidePassword=True)["Connection"]
    except ClientError as error:
        if refusals.code(error) != "EntityNotFoundException":
            raise
        yield fail(f"there is no Glue connection {name}", _DEPLOY)
        return None
    properties = there.get("ConnectionProperties", {})
    host, _, database = place(properties.get("JDBC_CONNECTION_URL", ""))
    flaws = []
    if there["ConnectionType"] != "JDBC":
        flaws.append(fail(f"{name} is of the type {there['ConnectionType']}", f"it must be JDBC; {_DEPLOY}"))
    if properties.get("SECRET_ID") != functions.loads["WAREHOUSE_SECRET_ARN"]:
        flaws.append(fail(f"{name} logs in with another secret than the Data API, {properties.get('SECRET_ID')}", "deploy the stack again"))
    if database != functions.loads["WAREHOUSE_DATABASE"]:
        wanted = functions.loads["WAREHOUSE_DATABASE"]
        flaws.append(fail(f"{name} leads to the database {database}, the Data API to {wanted}", "make WarehouseDatabase and the URL's end the same"))
    yield from flaws
    if properties.get("JDBC_ENFORCE_SSL", "").lower() == "true":
        encrypted = "encrypted"
    elif host in LOOPBACK:
        encrypted = "not encrypted, on this machine"
    else:
        yield warn(f"{name} does not insist on encryption", "deploy with JdbcEnforceSsl=true")
        encrypted = "not encrypted"
    if flaws:
        return None
    yield ok(f"{name} leads to {properties['JDBC_CONNECTION_URL']}, {encrypted}, with the warehouse secret")
    return there


def place(url: str) -> tuple[str, int, str]:
    """Host, port and database of a JDBC URL."""
    parts = urlsplit(re.sub(r"^jdbc:", "", url))
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0), parts.path.strip("/").partition(";")[0]
