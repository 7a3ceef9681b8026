"""`make bench-fetch` without the tools it compares: the stores that cost nothing as real clients see them, the Runtime API, and the arithmetic."""

import base64
import hashlib
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceModifiedError
from azure.storage.blob import BlobServiceClient
from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "infra" / "bench"), str(ROOT / "infra" / "local")]

from bench import measure  # noqa: E402  (found by the line above)
from bench.options import FORMS  # noqa: E402
from fetch import function, options, source, static, table  # noqa: E402
from fetch.options import EMULATED, STATIC, Options  # noqa: E402
from fetch.stores import Place, session_of  # noqa: E402
from fetch.table import OURS, RCLONE, Copied  # noqa: E402
from laptop import environment  # noqa: E402
from laptop.failure import Failure  # noqa: E402

MIB = 1 << 20
CONTENT = bytes(n % 251 for n in range(3 * MIB))


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[static.BlobServer]:
    file = tmp_path / "blob"
    file.write_bytes(CONTENT)
    with static.BlobServer(file, "/account/c", "a b.json", base64.b64encode(hashlib.md5(CONTENT, usedforsecurity=False).digest()).decode()) as server:
        yield server


@pytest.fixture
def sink() -> Iterator[static.SinkServer]:
    with static.SinkServer() as server:
        yield server


@pytest.fixture
def s3(sink: static.SinkServer):
    return client("s3", sink)


# The stores


def test_a_blob_is_listed_looked_at_and_read_in_ranges(blobs: static.BlobServer) -> None:
    service = BlobServiceClient(f"{blobs.url}/account?sig=x", max_single_get_size=MIB, max_chunk_get_size=MIB, retry_total=0)
    container = service.get_container_client("c")
    assert [(found.name, found.size) for found in container.list_blobs()] == [("a b.json", len(CONTENT))]
    blob = container.get_blob_client("a b.json")
    properties = blob.get_blob_properties()
    assert (properties.size, bytes(properties.content_settings.content_md5)) == (len(CONTENT), hashlib.md5(CONTENT, usedforsecurity=False).digest())
    assert blob.download_blob(max_concurrency=2).readall() == CONTENT
    assert blob.download_blob(MIB - 1, 3).readall() == CONTENT[MIB - 1 : MIB + 2]
    with pytest.raises(ResourceModifiedError):
        blob.download_blob(etag='"other"', match_condition=MatchConditions.IfNotModified)
    with pytest.raises(HttpResponseError) as missing:
        container.get_blob_client("b.json").get_blob_properties()
    assert missing.value.error_code == "BlobNotFound"


def test_the_sink_counts_what_it_forgets_and_keeps_what_is_small(s3, sink: static.SinkServer) -> None:
    s3.put_object(Bucket="b", Key="small.json", Body=b"{}")
    s3.put_object(Bucket="b", Key="in chunks", Body=iter_file(b"12345"), ChecksumAlgorithm="CRC32")
    s3.put_object(Bucket="b", Key="large", Body=CONTENT, Metadata={"mark": "x"})
    assert s3.get_object(Bucket="b", Key="small.json")["Body"].read() == b"{}"
    assert s3.get_object(Bucket="b", Key="in chunks")["Body"].read() == b"12345"
    assert s3.head_object(Bucket="b", Key="large")["ContentLength"] == len(CONTENT)
    assert sink.objects["b/large"].body is None

    upload = s3.create_multipart_upload(Bucket="b", Key="raw/parts", ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT")
    assert (upload["ChecksumAlgorithm"], upload["ChecksumType"]) == ("CRC64NVME", "FULL_OBJECT")
    parts = []
    for number, size in [(1, 2 * MIB), (2, 5)]:
        sent = s3.upload_part(Bucket="b", Key="raw/parts", UploadId=upload["UploadId"], PartNumber=number, Body=CONTENT[:size])
        parts.append({"PartNumber": number, "ETag": sent["ETag"]})
    s3.complete_multipart_upload(Bucket="b", Key="raw/parts", UploadId=upload["UploadId"], MultipartUpload={"Parts": parts}, ChecksumCRC64NVME="AAAAAAAAAAA=")
    head = s3.head_object(Bucket="b", Key="raw/parts", ChecksumMode="ENABLED")
    assert (head["ContentLength"], head["ChecksumCRC64NVME"]) == (2 * MIB + 5, "AAAAAAAAAAA=")

    listed = s3.list_objects_v2(Bucket="b", Prefix="raw/")["Contents"]
    assert [(entry["Key"], entry["Size"]) for entry in listed] == [("raw/parts", 2 * MIB + 5)]
    for refused in (lambda: s3.get_object(Bucket="b", Key="nothing"), lambda: s3.put_object(Bucket="b", Key="small.json", Body=b"", IfNoneMatch="*")):
        with pytest.raises(ClientError):
            refused()
    s3.delete_object(Bucket="b", Key="raw/parts")
    sink.forget()
    assert "Contents" not in s3.list_objects_v2(Bucket="b")


def test_the_sink_knows_secrets(sink: static.SinkServer) -> None:
    sink.secrets["one"] = "text"
    assert client("secretsmanager", sink).get_secret_value(SecretId="one")["SecretString"] == "text"


# The function

# As the runtime of a function does: asks, answers, asks again, and ends with an error when nobody is there.
RUNTIME = """
import http.client, json, os, sys
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    try:
        event = api.getresponse()
    except http.client.RemoteDisconnected:
        sys.exit(1)
    payload = event.read()
    identity, outcome = event.headers["Lambda-Runtime-Aws-Request-Id"], OUTCOMES.pop(0)
    assert int(event.headers["Lambda-Runtime-Deadline-Ms"]) > 0
    body = json.dumps({"run_id": json.loads(payload)["run_id"], "outcome": outcome})
    api.request("POST", f"/2018-06-01/runtime/invocation/{identity}/response", body)
    api.getresponse().read()
"""


@pytest.mark.parametrize("outcomes", [["fetched"], ["continue", "continue", "fetched"]])
def test_a_process_gets_one_run_until_it_is_done(tmp_path: Path, outcomes: list[str]) -> None:
    place = Place("http://a/account", "sig=x", "http://b", {})
    with function.Invocation() as invocation:
        program = [sys.executable, "-c", f"OUTCOMES = {outcomes}\n{RUNTIME}"]
        run = measure.run(program, tmp_path, 1, 1.0, 60.0, invocation.environment(place), function.ENDS_WITH, reports=False)
    assert run.outcome == measure.OK, run.log
    assert (invocation.answer["outcome"], invocation.calls) == ("fetched", len(outcomes))
    assert invocation.answer["run_id"] == invocation.payload["run_id"]


def test_a_function_that_ends_otherwise_has_failed(tmp_path: Path) -> None:
    run = measure.run([sys.executable, "-c", "pass"], tmp_path, 1, 1.0, 60.0, dict(os.environ), function.ENDS_WITH, reports=False)
    assert run.outcome == measure.FAILED


# The blob and the arithmetic


@pytest.mark.parametrize("size", [2, 40, 75, 1_000, 4_321])
def test_the_blob_is_an_array_of_just_that_size(tmp_path: Path, size: int) -> None:
    lines, file = tmp_path / FORMS["ndjson"], tmp_path / "blob"
    lines.write_text("".join(json.dumps({"n": n, "text": "x" * n}) + "\n" for n in range(9)))
    source._make(lines, file, size)
    records = json.loads(file.read_bytes())
    assert file.stat().st_size == size
    assert [record["n"] for record in records] == [n % 9 for n in range(len(records))]
    assert bool(records) is (size >= 40)


def copied(leg: str, tool: str, wall: float, cpu: float = 1.0, **servers: float) -> Copied:
    return Copied(leg, tool, 2_000_000_000, wall, cpu, 100.0, servers or {"both": 0.5})


def test_the_table_has_medians_and_their_ratios() -> None:
    ours = [copied(STATIC, OURS, wall, cpu) for wall, cpu in [(1.0, 1.0), (4.0, 3.0), (2.0, 2.0)]]
    theirs = [copied(STATIC, RCLONE, wall, 4.0) for wall in (4.0, 4.0, 5.0)]
    assert table.markdown(ours + theirs).splitlines() == [
        "| | | crosstally | rclone | crosstally ÷ rclone |",
        "|---|---|---:|---:|---:|",
        "| static files → S3 sink | MB/s | 1,000 | 500 | 2.00 |",
        "| static files → S3 sink | CPU seconds per GB | 1.00 | 2.00 | 0.50 |",
        "| static files → S3 sink | peak resident MiB | 100 | 100 | 1.00 |",
        "| static files → S3 sink | CPU seconds per GB of the two servers | 0.25 | 0.25 | 1.00 |",
    ]


def test_a_server_that_has_no_room_for_more_is_named() -> None:
    runs = [copied(EMULATED, OURS, 10.0, azurite=3.0, ministack=9.5), copied(EMULATED, RCLONE, 20.0, azurite=3.0, ministack=9.5)]
    assert table.limits(runs) == ["- Azurite → ministack's S3, crosstally: the limit is ministack, which was busy for 95% of the time of one processor."]


def test_options_come_from_the_environment() -> None:
    assert options.read({"SIZE_MIB": "32", "REPS": "1", "LEGS": "static"}) == Options(32, 1, ["static"])
    assert options.read({}) == Options(1024, 3, ["emulated", "static", "scan"])
    for wrong, said in [({"SIZE_MIB": "much"}, "SIZE_MIB"), ({"REPS": "0"}, "REPS"), ({"LEGS": "static moon"}, "LEGS: there is no `moon`")]:
        with pytest.raises(Failure, match=said):
            options.read(wrong)


def client(service: str, sink: static.SinkServer):
    return boto3.Session(**session_of(environment.of_aws(sink.url, sink.url))).client(service, endpoint_url=sink.url)


def iter_file(content: bytes):
    """A body whose checksum boto cannot know before it has sent it."""

    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

    return Stream(content)
