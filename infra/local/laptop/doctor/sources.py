"""What the business and the analysts put into S3: the customers, and perhaps a contract."""

from dataclasses import dataclass

import yaml
from botocore.exceptions import ClientError

from laptop.deployed import Client
from laptop.doctor import refusals, secrets
from laptop.doctor.findings import NOTHING, Look, fail, ok
from laptop.doctor.stack import Description, Functions
from laptop.paths import ROOT
from laptop.seed import CONTRACT_KEY


@dataclass(frozen=True)
class Contract:
    """The little of it that matters before a run."""

    schema: str
    table: str
    needs_salt: bool

    @classmethod
    def of(cls, document: dict) -> "Contract":
        objects = document["schema"]
        # The schema object with a join is the target (pipeline/src/contract/compile.rs).
        target = next(found for found in objects if any(custom["property"] == "join" for custom in found.get("customProperties", [])))
        name = target.get("physicalName") or target["name"]
        schema, table = (name if "." in name else f"public.{name}").split(".", 1)
        columns = [column for found in objects for column in found.get("properties", [])]
        masks = [custom["value"] for column in columns for custom in column.get("customProperties", []) if custom["property"] == "mask"]
        return cls(schema, table, "sha256" in masks)


def customers(client: Client, stack: Description, functions: Functions) -> Look:
    bucket, key = functions.fetches["CUSTOMERS_BUCKET"], functions.fetches["CUSTOMERS_KEY"]
    uri, s3 = f"s3://{bucket}/{key}", client("s3")
    try:
        head = s3.head_object(Bucket=bucket, Key=key)
        if head["ContentLength"] == 0:
            yield fail(f"{uri} is empty", "upload the customers' CSV again")
            return None
        # The first byte shows what a HEAD does not: that the object may be decrypted and is not in an archive.
        s3.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")["Body"].read()
    except ClientError as error:
        match refusals.code(error):
            case "404" | "NoSuchKey" | "NoSuchBucket":
                yield fail(f"{uri} does not exist", f"`aws s3 cp customers.csv {uri}`")
            case "InvalidObjectState":
                yield fail(f"{uri} is in an archive", "restore it, or upload it again")
            case _:
                raise
        return None
    home = region_of(client, bucket)
    if home != stack.region:
        yield fail(f"{bucket} is in {home}, but the functions ask for it in {stack.region}", "keep the customers in a bucket of that Region")
        return None
    yield ok(f"{uri}, {head['ContentLength']:,} bytes, of {head['LastModified']:%Y-%m-%d %H:%M:%S} UTC")
    return head


def contract(client: Client, functions: Functions) -> Look:
    """What it says of the warehouse and of the salt. Whether the contract is right altogether is `make contract`'s to say."""
    bucket = functions.loads["DATA_BUCKET"]
    try:
        where = f"s3://{bucket}/{CONTRACT_KEY}"
        content = client("s3").get_object(Bucket=bucket, Key=CONTRACT_KEY)["Body"].read()
    except ClientError as error:
        if refusals.code(error) != "NoSuchKey":
            raise
        where = "the shipped one"
        content = (ROOT / "contract.odcs.yaml").read_bytes()
    try:
        found = Contract.of(yaml.safe_load(content))
    except (yaml.YAMLError, StopIteration, KeyError, TypeError, AttributeError):
        yield fail(f"{where} names no target table", "check the file with `make contract CONTRACT=file`, and upload it again")
        return None
    yield ok(f"{where}, for the table {found.schema}.{found.table}")
    return found


def salt(client: Client, functions: Functions, found: Contract) -> Look:
    secret = functions.merges.get("MASK_SALT_SECRET_ID", "")
    if not secret and not found.needs_salt:
        return NOTHING
    if not secret:
        yield fail("the contract masks by sha256, and there is no salt", "make a secret with a long random text, and deploy with its ARN as MaskSaltSecretArn")
        return None
    text = yield from secrets.text(client, secret, "MaskSaltSecretArn")
    if text is not None:
        yield ok(f"{secret} is there")
    return text


def region_of(client: Client, bucket: str) -> str:
    return client("s3").head_bucket(Bucket=bucket)["BucketRegion"]
