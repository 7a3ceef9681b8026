"""What a stack consists of, on the laptop as in AWS. The functions know the warehouse, the buckets and the sources, so they are asked for their environment."""

from collections.abc import Callable
from typing import Any

from laptop.data_api import DataApi
from laptop.failure import Failure

FETCHES, MERGES, LOADS = "FetchAzureToS3Function", "MergeAndCleanFunction", "TriggerGlueLoadFunction"

# The hosts of a stack on the laptop; nobody listens in between.
LOOPBACK = ("127.0.0.1", "localhost", "::1")

# From the name of a service, as boto3 has it, to a client of it.
Client = Callable[[str], Any]


def resource(client: Client, stack: str, logical_id: str) -> str:
    """What a resource of the template is called in the account."""
    return client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)["StackResourceDetail"]["PhysicalResourceId"]


def variables(client: Client, stack: str, function: str) -> dict[str, str]:
    name = resource(client, stack, function)
    environment = client("lambda").get_function_configuration(FunctionName=name)["Environment"]
    if "Variables" not in environment:
        # Lambda leaves them out for a caller who may not use the key that they are under.
        why = environment.get("Error", {}).get("Message", "Lambda does not say why")
        raise Failure("StackUnavailable", f"the environment of the function {name} cannot be read, {why}; allow yourself kms:Decrypt on its key")
    return environment["Variables"]


def warehouse(client: Client, loads: dict[str, str]) -> DataApi:
    """The warehouse as the loading function's variables name it."""
    login = {"WorkgroupName": loads["WAREHOUSE_WORKGROUP"], "Database": loads["WAREHOUSE_DATABASE"], "SecretArn": loads["WAREHOUSE_SECRET_ARN"]}
    return DataApi(client("redshift-data"), login)
