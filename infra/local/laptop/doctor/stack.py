"""The stack itself: that it stands, where, and what its functions were told."""

from dataclasses import dataclass

from botocore.exceptions import ClientError

from laptop import deployed
from laptop.deployed import Client
from laptop.doctor import refusals
from laptop.doctor.findings import Look, fail, ok, warn


@dataclass(frozen=True)
class Description:
    name: str
    region: str
    account: str
    outputs: dict[str, str]


@dataclass(frozen=True)
class Functions:
    """The environment of each function."""

    fetches: dict[str, str]
    merges: dict[str, str]
    loads: dict[str, str]


def stack(client: Client, name: str) -> Look:
    try:
        described = client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if refusals.code(error) != "ValidationError":
            raise
        yield fail(f"{name} does not exist in this account and Region", "deploy it, or correct STACK, AWS_PROFILE or AWS_REGION")
        return None
    # arn:aws:cloudformation:<region>:<account>:stack/<name>/<id>
    region, account = described["StackId"].split(":")[3:5]
    status, where = described["StackStatus"], f"in {region}, account {account}"
    match status:
        case "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE":
            yield ok(f"{name} {where}, {status}")
        case "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE":
            yield warn(f"{name} {where} is {status}", "the last change did not go through; look at the stack's events, then deploy again")
        case _:
            yield fail(f"{name} {where} is {status}", _advice(status))
            return None
    return Description(name, region, account, {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])})


def _advice(status: str) -> str:
    match status:
        case "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED":
            return "look at the stack's events for the first failure, delete the stack, deploy again"
        case "REVIEW_IN_PROGRESS":
            return "its first change set was never carried out; deploy it"
        case _ if status.endswith("_IN_PROGRESS"):
            return "wait for the end of the deployment, and look again"
        case _:
            return "look at the stack's events, and bring it to a COMPLETE state"


def functions(client: Client, _: Description, name: str) -> Look:
    found = Functions(*(deployed.variables(client, name, function) for function in (deployed.FETCHES, deployed.MERGES, deployed.LOADS)))
    yield ok(f"they load by {found.loads['LOAD_MODE']} and keep their data in s3://{found.loads['DATA_BUCKET']}")
    return found
