"""What a real account would hold before the first run: two secrets, a key, the blob in Azure, the customers in a bucket, perhaps a contract."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from azure.storage.blob import BlobServiceClient, ContentSettings

from laptop.stack import Servers

# Azurite's one account, with the key that its documentation gives everybody.
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

AZURE_SECRET = "crosstally-local/azure"
WAREHOUSE_SECRET = "crosstally-local/warehouse"

CONTAINER = "transactions"
BLOB = "transactions.json"
CUSTOMERS_BUCKET = "crosstally-local-customers"
CUSTOMERS_KEY = "landing/customers/customers.csv"
CONTRACT_KEY = "config/contract.odcs.yaml"

_BLOCK_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Secrets:
    azure: str
    warehouse: str


def secrets(stack: Servers) -> Secrets:
    client = stack.client("secretsmanager")
    login = json.dumps({"username": stack.warehouse.user, "password": stack.warehouse.password})
    return Secrets(
        azure=client.create_secret(Name=AZURE_SECRET, SecretString=connection_string(stack))["ARN"],
        warehouse=client.create_secret(Name=WAREHOUSE_SECRET, SecretString=login)["ARN"],
    )


def own(stack: Servers) -> dict[str, str]:
    """What else the account has already, as parameters of the template: the pipeline is deployed into it, and makes none of its own."""
    s3 = stack.client("s3")
    s3.create_bucket(Bucket=CUSTOMERS_BUCKET)
    s3.put_bucket_versioning(Bucket=CUSTOMERS_BUCKET, VersioningConfiguration={"Status": "Enabled"})
    key = stack.client("kms").create_key(Description="everything that Crosstally stores")["KeyMetadata"]["Arn"]
    return {"CustomersBucketName": CUSTOMERS_BUCKET, "KmsKeyArn": key}


def connection_string(stack: Servers, key: str = AZURE_KEY) -> str:
    endpoint = f"{stack.endpoints.azure}/{AZURE_ACCOUNT}"
    return f"DefaultEndpointsProtocol=http;AccountName={AZURE_ACCOUNT};AccountKey={key};BlobEndpoint={endpoint};"


def blob_service(stack: Servers) -> BlobServiceClient:
    return BlobServiceClient.from_connection_string(connection_string(stack), max_block_size=_BLOCK_BYTES, max_single_put_size=_BLOCK_BYTES)


def transactions(stack: Servers, path: Path) -> None:
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, "md5").digest()
        file.seek(0)
        container = blob_service(stack).get_container_client(CONTAINER)
        if not container.exists():
            container.create_container()
        # Azure computes no MD5 of a blob that came in blocks; whoever uploads states it, and the pipeline checks it.
        settings = ContentSettings(content_type="application/json", content_md5=bytearray(md5))
        container.upload_blob(BLOB, file, overwrite=True, content_settings=settings)


def bytes_of_transactions(stack: Servers) -> int:
    return blob_service(stack).get_blob_client(CONTAINER, BLOB).get_blob_properties().size


def customers(stack: Servers, path: Path) -> None:
    stack.client("s3").upload_file(str(path), CUSTOMERS_BUCKET, CUSTOMERS_KEY)


def contract(stack: Servers, bucket: str, path: Path | None) -> None:
    if path is not None:
        stack.client("s3").upload_file(str(path), bucket, CONTRACT_KEY)
