"""The two stores of a leg, in a process of their own: what they load must not show in the peak memory of the programs that are measured.

    python -m fetch.stores emulated|static FILE FOLDER

It says where they are in a line of JSON, and then answers each line it is told: `kept` with the bytes of each large object, `forget` when it has
removed all that was written. It ends when its input does.
"""

import base64
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from laptop import environment
from laptop.failure import Failure

from fetch import source
from fetch.options import EMULATED, STATIC

CONTAINER, BLOB = "transactions", "transactions.json"
BUCKET, CUSTOMERS_KEY, SECRET = "bench-fetch", "landing/customers/customers.csv", "bench-fetch/azure"
_CUSTOMERS = b"customer_id,email\nC1,a@example.org\n"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Place:
    """Where a program finds the blob, and where it is to write."""

    azure: str  # the account
    sas: str
    aws: str
    processes: dict[str, int]  # by name
    container: str = CONTAINER
    blob: str = BLOB
    bucket: str = BUCKET

    @property
    def connection_string(self) -> str:
        return f"BlobEndpoint={self.azure};SharedAccessSignature={self.sas}"


class Stores:
    """The other process, as the one that measures sees it."""

    def __init__(self, leg: str, file: Path, folder: Path) -> None:
        command = [sys.executable, "-m", "fetch.stores", leg, str(file), str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.place = Place(**self._hear())

    def kept(self) -> dict[str, int]:
        return self._ask("kept")

    def forget(self) -> None:
        self._ask("forget")

    def cpu_seconds(self) -> dict[str, float]:
        """What each of its servers has run for so far."""
        return {name: _cpu_seconds(process) for name, process in self.place.processes.items()}

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()

    def _ask(self, word: str):
        print(word, file=self._process.stdin, flush=True)
        return self._hear()

    def _hear(self):
        line = self._process.stdout.readline()
        if not line:
            raise Failure("StoresFailed", f"the stores ended with exit code {self._process.wait()}")
        return json.loads(line)


def _cpu_seconds(process: int) -> float:
    # Behind the name, which may hold anything, user and system time are the 12th and 13th field.
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


# In the process of its own


@contextlib.contextmanager
def _emulated(file: Path, folder: Path) -> Iterator[tuple[Place, "_Emulated"]]:
    from azure.storage.blob import BlobServiceClient, ContentSettings, ResourceTypes, generate_account_sas
    from laptop import components, seed

    started = []
    try:
        azurite, port = components.start_azure(folder, _scratch(folder, "azurite"))
        started.append(azurite)
        # Nobody asks for Glue here.
        ministack, aws = components.start_aws(folder, _scratch(folder, "ministack"), "http://127.0.0.1:9")
        started.append(ministack)
        azure, until = f"http://127.0.0.1:{port}/{seed.AZURE_ACCOUNT}", datetime.now(UTC) + timedelta(days=30)
        sas = generate_account_sas(seed.AZURE_ACCOUNT, seed.AZURE_KEY, ResourceTypes(service=True, container=True, object=True), "rl", until)
        key = {"account_name": seed.AZURE_ACCOUNT, "account_key": seed.AZURE_KEY}
        service = BlobServiceClient(azure, credential=key, max_block_size=8 << 20, max_single_put_size=8 << 20)
        container = service.create_container(CONTAINER)
        with file.open("rb") as content:
            settings = ContentSettings(content_type="application/json", content_md5=bytearray(source.md5(file)))
            container.upload_blob(BLOB, content, content_settings=settings)
        place = Place(azure, sas, aws, {"azurite": azurite.process_id, "ministack": ministack.process_id})
        yield place, _Emulated(place)
    finally:
        for component in reversed(started):
            component.stop()


class _Emulated:
    def __init__(self, place: Place) -> None:
        import boto3

        session = boto3.Session(**session_of(environment.of_aws(place.aws, place.aws)))
        self._s3 = session.client("s3", endpoint_url=place.aws)
        self._s3.create_bucket(Bucket=BUCKET)
        session.client("secretsmanager", endpoint_url=place.aws).create_secret(Name=SECRET, SecretString=place.connection_string)
        self.forget()

    def kept(self) -> dict[str, int]:
        return {entry["Key"]: entry["Size"] for entry in self._list() if entry["Size"] >= 1 << 20}

    def forget(self) -> None:
        for entry in self._list():
            self._s3.delete_object(Bucket=BUCKET, Key=entry["Key"])
        self._s3.put_object(Bucket=BUCKET, Key=CUSTOMERS_KEY, Body=_CUSTOMERS)

    def _list(self) -> list[dict]:
        return [entry for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET) for entry in page.get("Contents", [])]


@contextlib.contextmanager
def _static(file: Path, _folder: Path) -> Iterator[tuple[Place, "_Static"]]:
    from fetch import static

    blobs = static.BlobServer(file, f"/account/{CONTAINER}", BLOB, base64.b64encode(source.md5(file)).decode())
    sink = static.SinkServer()
    with blobs, sink:
        # Nobody looks at the signature, but whoever reads a SAS wants it to have the fields of one.
        sas = "sv=2021-08-06&ss=b&srt=sco&sp=rl&se=2099-01-01T00%3A00%3A00Z&sig=c3RhdGlj"
        place = Place(f"{blobs.url}/account", sas, sink.url, {"both": os.getpid()})
        sink.secrets[SECRET] = place.connection_string
        yield place, _Static(sink)


class _Static:
    def __init__(self, sink) -> None:
        self._sink = sink
        self.forget()

    def kept(self) -> dict[str, int]:
        return {key.removeprefix(f"{BUCKET}/"): stored.size for key, stored in self._sink.objects.items() if stored.size >= 1 << 20}

    def forget(self) -> None:
        self._sink.forget()
        self._sink.put(f"{BUCKET}/{CUSTOMERS_KEY}", _CUSTOMERS)


def session_of(variables: dict[str, str]) -> dict[str, str]:
    """The same to boto."""
    return {
        "region_name": variables["AWS_REGION"],
        "aws_access_key_id": variables["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": variables["AWS_SECRET_ACCESS_KEY"],
    }


def _scratch(folder: Path, name: str) -> Path:
    scratch = folder / name
    scratch.mkdir(parents=True, exist_ok=True)
    return scratch


def main(leg: str, file: str, folder: str) -> None:
    with {EMULATED: _emulated, STATIC: _static}[leg](Path(file), Path(folder)) as (place, stores):
        print(json.dumps(asdict(place)), flush=True)
        for line in sys.stdin:
            print(json.dumps(getattr(stores, line.strip())()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
