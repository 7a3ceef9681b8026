"""Redshift Serverless as far as a preflight asks about it: GetWorkgroup and GetNamespace, for the one workgroup that the gateway's Data API knows.

What is answered is what is there: the address and the database of the Postgres in Redshift's place, and the roles that COPY takes. COPY reads S3 with the
gateway's own credentials, since the emulator enforces no IAM; but as on Redshift it refuses a role that is not attached to the namespace (copy_parquet.py).
No security group and no subnet is listed, for the server stands in no network.
"""

import datetime

from laptop.environment import ACCOUNT, REGION
from laptop.gateway.errors import ServiceError

WORKGROUP = NAMESPACE = "local"
DEFAULT_ROLE = f"arn:aws:iam::{ACCOUNT}:role/crosstally-local-copy"
ROLES = (DEFAULT_ROLE,)


class RedshiftServerless:
    PASSES_ON = False

    def __init__(self, host: str, port: int, database: str) -> None:
        self._host, self._port, self._database = host, port, database
        self._since = datetime.datetime.now(datetime.UTC).isoformat()

    def get_workgroup(self, request: dict) -> dict:
        if request.get("workgroupName") != WORKGROUP:
            raise ServiceError("ResourceNotFoundException", f"The workgroup {request.get('workgroupName')} was not found.")
        workgroup = {
            "workgroupName": WORKGROUP,
            "workgroupArn": _arn("workgroup"),
            "namespaceName": NAMESPACE,
            "status": "AVAILABLE",
            "endpoint": {"address": self._host, "port": self._port},
            "port": self._port,
            "publiclyAccessible": False,  # it listens on the loopback address
            "securityGroupIds": [],
            "subnetIds": [],
            "creationDate": self._since,
        }
        return {"workgroup": workgroup}

    def get_namespace(self, request: dict) -> dict:
        if request.get("namespaceName") != NAMESPACE:
            raise ServiceError("ResourceNotFoundException", f"The namespace {request.get('namespaceName')} was not found.")
        namespace = {
            "namespaceName": NAMESPACE,
            "namespaceArn": _arn("namespace"),
            "status": "AVAILABLE",
            "dbName": self._database,
            "defaultIamRoleArn": DEFAULT_ROLE,
            # The service writes each role in this form, although its reference speaks of ARNs: seen in the parser of
            # github.com/aws-solutions-library-samples/guidance-for-clickstream-analytics-on-aws/pull/507.
            "iamRoles": [f"IamRole(applyStatus=in-sync, iamRoleArn={role})" for role in ROLES],
            "creationDate": self._since,
        }
        return {"namespace": namespace}

    OPERATIONS = {"GetWorkgroup": get_workgroup, "GetNamespace": get_namespace}


def _arn(kind: str) -> str:
    return f"arn:aws:redshift-serverless:{REGION}:{ACCOUNT}:{kind}/00000000-0000-0000-0000-000000000000"
