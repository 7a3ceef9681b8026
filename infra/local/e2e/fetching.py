"""The function that fetches, with a fault proxy before each of its two stores: what a test puts there, and what a fetch has left."""

import gzip
import hashlib
import itertools
import random
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from azure.storage.blob import ContainerClient, ContentSettings
from faults.http_proxy import Exchange, HttpProxy
from laptop import seed
from world import World

MIB = 1 << 20
RANGE_BYTES = 8 * MIB  # of one ranged GET, and of a part of a multipart upload
LARGE = 17  # MiB: three ranges, the last of them short

# Requests to S3 that concern the transactions' raw bytes.
CREATE = r"^POST \S*/raw/\S*[?&]uploads\b"
PART = r"^PUT \S*/raw/\S*[?&]partNumber={}\b"
ANY_PART = r"^PUT \S*/raw/\S*[?&]partNumber="
COMPLETE = r"^POST \S*/raw/\S*[?&]uploadId="
PUT = r"^PUT \S*/raw/transactions/[^?]*/" + re.escape(seed.BLOB) + r"(\?(?!\S*uploadId)\S*)?$"
# What the function leaves on its way, which no reader looks at.
_CHECKPOINT = re.compile(r"/progress-\d+\.json$")

_numbers = itertools.count(1)


def records(mib: int, each: int = 64 << 10, name: str = "") -> bytes:
    """So many MiB of NDJSON, exactly: records of the same length that differ, as good transactions with a field nobody reads."""
    count, out = mib * MIB // each, []
    dice = random.Random(f"{mib} {name} {next(_numbers)}")
    for n in range(count):
        head = f'{{"transaction_id": "{name}T{n:06}", "customer_id": "C000001", "amount": {n}.25, "currency": "EUR", "transaction_ts": "2026-01-01T00:00:00Z", '
        padding = each - len(head) - len('"note": ""}\n')
        out.append(f'{head}"note": "{dice.randbytes(padding // 2 + 1).hex()[:padding]}"}}\n')
    return "".join(out).encode()


def md5(content: bytes) -> bytearray:
    return bytearray(hashlib.md5(content, usedforsecurity=False).digest())


@dataclass
class Fetching:
    world: World
    azure: HttpProxy
    s3: HttpProxy
    _made: list[str] = field(default_factory=list)

    # What a test puts there

    @property
    def container(self) -> ContainerClient:
        return seed.blob_service(self.world.stack).get_container_client(seed.CONTAINER)

    @property
    def connection_string(self) -> str:
        """With the account's key, by way of the proxy. The host is not signed."""
        return self.through_the_proxy(seed.connection_string(self.world.stack))

    def through_the_proxy(self, text: str) -> str:
        return text.replace(self.world.stack.endpoints.azure, self.azure.url)

    def put(self, content: bytes, name: str = seed.BLOB, encoding: str | None = None, states_its_md5: bool = True, **metadata: str) -> bytes:
        """Azure computes no MD5 of a blob that came in blocks; whoever uploads states it, or does not."""
        settings = ContentSettings(content_encoding=encoding, content_md5=md5(content) if states_its_md5 else None)
        self.container.upload_blob(name, content, overwrite=True, content_settings=settings, metadata=metadata or None)
        if name != seed.BLOB:
            self._made.append(name)
        return content

    def configure(self, seconds: int | None = None, **variables: str) -> None:
        """As deployed, but for these variables and, where it is given, the time that the function has."""
        self.world.configure_fetch(seconds, AWS_ENDPOINT_URL_S3=self.s3.url, **variables)

    def reset(self) -> None:
        self.azure.script([])
        self.s3.script([])
        for name in self._made:
            blob = self.container.get_blob_client(name)
            if blob.exists():
                blob.delete_blob()
        self._made.clear()

    # What it does

    def fetch(self, run_id: str | None = None, started_at: str | None = None, **given: object) -> dict:
        """As the state machine calls it: once more, as long as it says `continue`."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        request = {"run_id": run_id or self.run_id(), "started_at": started_at or now, "input": given}
        answer = self.world.steps.invoke("FetchAzureToS3", request)
        while answer.get("outcome") == "continue":
            assert answer["copied_bytes"] < answer["total_bytes"]
            answer = self.world.steps.invoke("FetchAzureToS3", request)
        return answer

    @staticmethod
    def run_id() -> str:
        return f"fetch-{uuid.uuid4().hex[:8]}"

    # What it has left

    def manifest(self, answer: dict) -> dict:
        return self.world.read(answer["raw_manifest"])

    def raw(self, answer: dict, which: str = "raw_key") -> bytes:
        return self.world.body(self.manifest(answer)[which])

    def published(self) -> set[str]:
        """Everything below raw/ that a reader could take for data."""
        s3, bucket = self.world.stack.client("s3"), self.world.session.deployment.bucket
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="raw/")
        return {entry["Key"] for page in pages for entry in page.get("Contents", []) if not _CHECKPOINT.search(entry["Key"])}

    def uploads(self) -> list[str]:
        """The ids of the multipart uploads that are neither completed nor aborted."""
        listed = self.world.stack.client("s3").list_multipart_uploads(Bucket=self.world.session.deployment.bucket)
        return [upload["UploadId"] for upload in listed.get("Uploads", []) if upload["Key"].startswith("raw/")]

    @contextmanager
    def nothing_is_left(self) -> Iterator[None]:
        """No object of the transactions, and no upload that would become one."""
        before = self.published(), self.uploads()
        yield
        assert (self.published(), self.uploads()) == before

    @contextmanager
    def nothing_is_left_but_an_upload(self) -> Iterator[None]:
        """No object of the transactions. What is unfinished nobody sees, and the bucket's lifecycle rule removes it."""
        before = self.published()
        yield
        assert self.published() == before

    # What passed

    def gets(self, name: str = seed.BLOB) -> list[Exchange]:
        return self.azure.exchanges(rf"^GET \S*/{re.escape(name)}(\?\S*)? bytes=")

    def starts(self, name: str = seed.BLOB) -> list[int]:
        """The first byte of each range that was asked for, in order, as often as it was."""
        return sorted(int(exchange.range.removeprefix("bytes=").split("-")[0]) for exchange in self.gets(name))

    def parts_sent(self) -> list[int]:
        """The numbers of the parts that S3 has taken, in order, as often as it has."""
        taken = [exchange.path for exchange in self.s3.exchanges(ANY_PART) if exchange.status == 200]
        return sorted(int(re.search(r"partNumber=(\d+)", path)[1]) for path in taken)

    def logs(self) -> str:
        """Everything the function has said since the stack started."""
        client = self.world.stack.client("logs")
        groups = [group["logGroupName"] for group in client.describe_log_groups()["logGroups"] if "fetch" in group["logGroupName"].lower()]
        assert groups
        pages = (page for group in groups for page in client.get_paginator("filter_log_events").paginate(logGroupName=group))
        return "\n".join(event["message"] for page in pages for event in page["events"])


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=6, mtime=0)
