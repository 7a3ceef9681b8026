"""The warehouse: its secret, its workgroup, the role of its COPY, and what the user of the secret may make in it."""

import json
import re
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from laptop import deployed
from laptop.data_api import DataApi
from laptop.deployed import Client
from laptop.doctor import refusals, secrets
from laptop.doctor.findings import FAIL, Finding, Look, fail, ok, warn
from laptop.doctor.sources import Contract, region_of
from laptop.doctor.stack import Functions
from laptop.failure import Failure

_OURS = "crosstally"
_BOOKS = ("ledger", "quarantine")

# Leader-node functions and catalog tables alone, so that Redshift carries them out together. Sources: HAS_DATABASE_PRIVILEGE, HAS_SCHEMA_PRIVILEGE and
# HAS_TABLE_PRIVILEGE in the Amazon Redshift Database Developer Guide; the second returns text there, hence _true().
_DATABASE = """
SELECT usename, usesuper, current_database() AS database_name, has_database_privilege(current_database(), 'create') AS creates,
  has_database_privilege(current_database(), 'temp') AS creates_temporary
FROM pg_user WHERE usename = current_user
"""
_SCHEMAS = """
SELECT nspname, has_schema_privilege(nspname, 'create') AS creates, has_schema_privilege(nspname, 'usage') AS uses
FROM pg_namespace WHERE nspname IN (:ours, :target)
"""
_TABLE = """
SELECT schemaname, tablename, tableowner,
  has_table_privilege(schemaname || '.' || tablename, 'select') AS selects, has_table_privilege(schemaname || '.' || tablename, 'insert') AS inserts,
  has_table_privilege(schemaname || '.' || tablename, 'update') AS updates, has_table_privilege(schemaname || '.' || tablename, 'delete') AS deletes
FROM pg_tables WHERE schemaname = :schema AND tablename = :table
"""


def secret(client: Client, functions: Functions) -> Look:
    arn = functions.loads["WAREHOUSE_SECRET_ARN"]
    text = yield from secrets.text(client, arn, "WarehouseSecretArn")
    if text is None:
        return None
    try:
        login = json.loads(text)
    except ValueError:
        login = None
    if not isinstance(login, dict):
        yield fail(f"{arn} is no JSON object", 'store {"username": "…", "password": "…"}')
        return None
    if missing := [name for name in ("username", "password") if not login.get(name)]:
        yield fail(f"{arn} has no {' and no '.join(missing)}", 'store {"username": "…", "password": "…"}')
        return None
    yield ok(f"{arn}, for the user {login['username']}")
    return arn


def workgroup(client: Client, functions: Functions) -> Look:
    name = functions.loads["WAREHOUSE_WORKGROUP"]
    try:
        found = client("redshift-serverless").get_workgroup(workgroupName=name)["workgroup"]
    except ClientError as error:
        if refusals.code(error) != "ResourceNotFoundException":
            raise
        yield fail(f"there is no workgroup {name} in this Region", "correct the parameter WarehouseWorkgroup, or make the workgroup")
        return None
    match found["status"]:
        case "AVAILABLE":
            yield ok(f"{name} is AVAILABLE at {found['endpoint']['address']}:{found['endpoint']['port']}")
        case "MODIFYING":
            yield warn(f"{name} is MODIFYING", "wait until it is AVAILABLE")
        case status:
            yield fail(f"{name} is {status}", "wait until it is AVAILABLE, or give another one as WarehouseWorkgroup")
            return None
    if found.get("publiclyAccessible"):
        yield warn(f"{name} is publicly accessible", "turn that off; the Glue job and the Data API need it not")
    return found


def region(client: Client, functions: Functions, found: dict) -> Look:
    """COPY of Parquet reads from the warehouse's own Region only."""
    bucket, here = functions.loads["DATA_BUCKET"], found["workgroupArn"].split(":")[3]
    home = region_of(client, bucket)
    if home != here:
        yield fail(f"the bucket {bucket} is in {home}, the workgroup in {here}", "COPY needs both in one Region; deploy the stack where the workgroup is")
        return None
    yield ok(f"the bucket {bucket} and the workgroup are both in {here}")
    return here


def copy_role(client: Client, functions: Functions, found: dict) -> Look:
    namespace = client("redshift-serverless").get_namespace(namespaceName=found["namespaceName"])["namespace"]
    finding = role_of_copy(functions.loads.get("COPY_ROLE_ARN", ""), namespace)
    yield finding
    return None if finding.level == FAIL else namespace


def role_of_copy(wanted: str, namespace: dict[str, Any]) -> Finding:
    name, default = namespace["namespaceName"], namespace.get("defaultIamRoleArn", "")
    if not wanted and not default:
        return fail(f"the namespace {name} has no default role, and CopyRoleArn is empty", "make a role the namespace's default, or give one as CopyRoleArn")
    role = wanted or default
    attached = dict(map(_role, namespace.get("iamRoles", [])))
    if role not in attached:
        return fail(f"{role} is not attached to the namespace {name}", "attach it in the Redshift console, Security and encryption, Manage IAM roles")
    if attached[role] != "in-sync":
        return warn(f"{role} is still {attached[role]} in the namespace {name}", "wait until it is in-sync")
    return ok(f"{role} is attached to the namespace {name}" + ("" if wanted else ", as its default"))


def data_api(client: Client, functions: Functions, _: str) -> Look:
    warehouse = deployed.warehouse(client, functions.loads)
    try:
        (user,) = warehouse.rows(_DATABASE)
    except Failure as failure:
        words = failure.message.partition(" The question was:")[0].rstrip(".")
        yield fail(f"the warehouse does not answer the secret's user, {words}", "correct the user, the password or WarehouseDatabase")
        return None
    yield ok(f"it answers {user['usename']} in the database {user['database_name']}")
    return warehouse, user


def tables(_: Client, asked: tuple[DataApi, dict], contract: Contract) -> Look:
    warehouse, user = asked
    schemas = {row["nspname"]: row for row in warehouse.rows(_SCHEMAS, ours=_OURS, target=contract.schema)}
    flaws = [*_of_the_database(user), *(flaw for schema in schemas.values() for flaw in _of_a_schema(user, schema))]
    wanted = [*((_OURS, book) for book in _BOOKS), (contract.schema, contract.table)]
    # Without USAGE on the schema the question itself is refused.
    seen = [(schema, table) for schema, table in wanted if schema in schemas and _true(schemas[schema]["uses"])]
    there = [row for schema, table in seen for row in warehouse.rows(_TABLE, schema=schema, table=table)]
    flaws += [flaw for row in there for flaw in _of_a_table(user, row)]
    yield from flaws
    if not flaws:
        made = ", ".join(f"{row['schemaname']}.{row['tablename']}" for row in there)
        rest = f"{made} are there and its own" if made else f"{contract.schema}.{contract.table} and {_OURS}.* will be made"
        yield ok(f"{user['usename']} may make schemas, tables and temporary tables; {rest}")
    return None


def _of_the_database(user: dict) -> Iterator[Finding]:
    name, database = user["usename"], user["database_name"]
    if not _true(user["creates"]):
        yield fail(f"{name} may not make schemas in {database}", f'GRANT CREATE ON DATABASE "{database}" TO "{name}"')
    if not _true(user["creates_temporary"]):
        yield fail(f"{name} may not make temporary tables in {database}", f'GRANT TEMP ON DATABASE "{database}" TO "{name}"')


def _of_a_schema(user: dict, schema: dict) -> Iterator[Finding]:
    name = user["usename"]
    for verb, privilege in (("creates", "CREATE"), ("uses", "USAGE")):
        if not _true(schema[verb]):
            yield fail(f"{name} has no {privilege} on the schema {schema['nspname']}", f'GRANT {privilege} ON SCHEMA "{schema["nspname"]}" TO "{name}"')


def _of_a_table(user: dict, row: dict) -> Iterator[Finding]:
    name, table = user["usename"], f'"{row["schemaname"]}"."{row["tablename"]}"'
    if row["tableowner"] == name or _true(user["usesuper"]):
        return
    owner = f"{table} belongs to {row['tableowner']}"
    if all(_true(row[verb]) for verb in ("selects", "inserts", "updates", "deletes")):
        yield warn(f"{owner}, so that a changed contract cannot add columns", f'ALTER TABLE {table} OWNER TO "{name}"')
    else:
        yield fail(f"{owner}, and {name} may not read and write it", f'ALTER TABLE {table} OWNER TO "{name}"')


def _role(text: str) -> tuple[str, str]:
    """ARN and status of `IamRole(applyStatus=in-sync, iamRoleArn=arn:…)`, in either order, or of a bare ARN."""
    arn, status = re.search(r"arn:[^,)\s]+", text), re.search(r"applyStatus=([\w-]+)", text)
    return arn[0] if arn else text, status[1] if status else "in-sync"


def _true(text: str | None) -> bool:
    return text in ("true", "t", "1")
