"""What the business and the analysts put into S3: the customers, and perhaps a contract."""

import yaml
from botocore.exceptions import ClientError

from laptop.deployed import Client
from laptop.doctor import refusals
from laptop.doctor.findings import Look, fail, ok
from laptop.doctor.stack import Description, Functions
from laptop.paths import ROOT

CONTRACT_KEY = "config/contract.odcs.yaml"


def customers(client: Client, stack: Description, functions: Functions) -> Look:
    bucket, key = functions.fetches.get("CUSTOMERS_BUCKET") or functions.fetches["DATA_BUCKET"], functions.fetches["CUSTOMERS_KEY"]
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
    """Returns schema and table of the target. Whether the contract is right altogether is `make contract`'s to say."""
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
        schema, table = target(yaml.safe_load(content))
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError):
        yield fail(f"{where} names no target table", "check the file with `make contract CONTRACT=file`, and upload it again")
        return None
    yield ok(f"{where}, for the table {schema}.{table}")
    return schema, table


def target(document: dict) -> list[str]:
    """The schema object with a join is the target (pipeline/src/contract/compile.rs)."""
    for schema in document["schema"]:
        if any(custom["property"] == "join" for custom in schema.get("customProperties", [])):
            name = schema.get("physicalName") or schema["name"]
            return (name if "." in name else f"public.{name}").split(".", 1)
    raise ValueError("no schema object has a join")


def region_of(client: Client, bucket: str) -> str:
    return client("s3").head_bucket(Bucket=bucket)["BucketRegion"]
