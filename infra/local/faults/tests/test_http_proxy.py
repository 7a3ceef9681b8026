"""The proxy between clients and Azurite: what passes unharmed, and what breaks where the script says."""

import http.client
import re
import shutil
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import BlobClient, BlobServiceClient, generate_blob_sas
from faults.http_proxy import HttpProxy
from faults.http_rules import Answer, HttpRule, of_azure, of_s3, reading
from faults.rules import Misuse
from laptop import components, seed

MIB = 1 << 20
ACCOUNT, KEY = seed.AZURE_ACCOUNT, seed.AZURE_KEY
CONTENT = bytes(n % 251 for n in range(3 * MIB))
NAME = "numbers.bin"
READ = reading(NAME)


@pytest.fixture(scope="session")
def azure_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    scratch = tmp_path_factory.mktemp("azurite")
    component, port = components.start_azure(tmp_path_factory.mktemp("azurite-logs"), scratch)
    try:
        service = BlobServiceClient(f"http://127.0.0.1:{port}/{ACCOUNT}", credential={"account_name": ACCOUNT, "account_key": KEY})
        service.create_container("numbers").upload_blob(NAME, CONTENT)
        yield port
    finally:
        component.stop()
        shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture
def azure(azure_port: int) -> Iterator[HttpProxy]:
    with HttpProxy("127.0.0.1", azure_port) as proxy:
        yield proxy


@pytest.fixture
def blob(azure: HttpProxy) -> BlobClient:
    """By way of the proxy, with the account's key, and without the retries that would hide what it does."""
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    return BlobClient(f"{azure.url}/{ACCOUNT}", "numbers", NAME, credential=credential, retry_total=0, max_single_get_size=MIB, max_chunk_get_size=MIB)


def get(azure: HttpProxy, first: int = 0, last: int = 2 * MIB - 1) -> tuple[int, dict[str, str], bytes]:
    """One ranged GET, by a client that does nothing of its own accord."""
    sas = generate_blob_sas(ACCOUNT, "numbers", NAME, account_key=KEY, permission="r", expiry=datetime.now(UTC) + timedelta(hours=1))
    connection = http.client.HTTPConnection("127.0.0.1", azure.port, timeout=30)
    try:
        connection.request("GET", f"/{ACCOUNT}/numbers/{NAME}?{sas}", headers={"Range": f"bytes={first}-{last}"})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


# What passes


def test_a_blob_is_read_and_written_as_without_it(azure, blob):
    assert blob.download_blob(max_concurrency=3).readall() == CONTENT
    ranges = sorted(exchange.range for exchange in azure.exchanges("^GET"))
    assert ranges == ["bytes=0-1048575", "bytes=1048576-2097151", "bytes=2097152-3145727"]
    assert {exchange.status for exchange in azure.exchanges()} == {206}

    other = BlobClient(f"{azure.url}/{ACCOUNT}", "numbers", "a b%#é.bin", credential={"account_name": ACCOUNT, "account_key": KEY}, max_single_put_size=MIB)
    other.upload_blob(CONTENT)
    assert other.get_blob_properties().size == len(CONTENT)
    assert other.download_blob().readall() == CONTENT
    other.delete_blob()
    assert not other.exists()


def test_a_connection_is_used_again(azure):
    connection = http.client.HTTPConnection("127.0.0.1", azure.port, timeout=30)
    connection.connect()
    ours = connection.sock.getsockname()
    for _ in range(3):
        connection.request("GET", f"/{ACCOUNT}/numbers/{NAME}")
        assert connection.getresponse().read()
        assert connection.sock.getsockname() == ours
    connection.close()


def test_a_body_in_chunks_arrives_whole(azure):
    sas = generate_blob_sas(ACCOUNT, "numbers", "chunks", account_key=KEY, permission="cwr", expiry=datetime.now(UTC) + timedelta(hours=1))
    connection = http.client.HTTPConnection("127.0.0.1", azure.port, timeout=30)
    connection.request(
        "PUT", f"/{ACCOUNT}/numbers/chunks?{sas}", body=iter([b"one", b"two", b"three"]), headers={"x-ms-blob-type": "BlockBlob"}, encode_chunked=True
    )
    assert connection.getresponse().status == 201
    connection.close()
    assert azure.exchanges("^PUT")[0].body_bytes == len("onetwothree")


def test_a_server_that_is_not_there_is_a_lost_connection():
    with HttpProxy("127.0.0.1", 9) as proxy, pytest.raises(ConnectionResetError):
        get(proxy)


# What breaks


@pytest.mark.parametrize(("when", "reached"), [("before", False), ("after", True)])
def test_a_request_or_its_answer_is_lost(azure, blob, when, reached):
    azure.script([HttpRule("^PUT .*comp=metadata", "drop", when)])
    mark = {"mark": when}
    with pytest.raises(AzureError):
        blob.set_blob_metadata(mark)
    assert azure.fired() == [1]
    assert (blob.get_blob_properties().metadata == mark) is reached
    assert azure.exchanges("^PUT")[0].status is None


def test_a_connection_is_reset_in_the_middle_of_a_body(azure):
    azure.script([HttpRule(READ, "reset", at=1000)])
    with pytest.raises(ConnectionResetError):
        get(azure)
    assert (azure.fired(), get(azure)[2]) == ([1], CONTENT[: 2 * MIB])


def test_a_body_ends_too_early(azure):
    azure.script([HttpRule(READ, "cut", at=1000)])
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(azure)
    assert caught.value.partial == CONTENT[:1000]
    assert azure.fired() == [1]


def test_a_body_is_short_and_says_so(azure):
    azure.script([HttpRule(READ, "shorten", at=1000)])
    status, headers, body = get(azure)
    assert (status, headers["content-length"], body) == (206, "1000", CONTENT[:1000])


def test_a_byte_is_wrong_and_the_length_is_right(azure):
    azure.script([HttpRule(READ, "flip", at=MIB)])
    _, _, body = get(azure)
    assert len(body) == 2 * MIB
    assert [at for at in range(2 * MIB) if body[at] != CONTENT[at]] == [MIB]


def test_an_error_is_answered_in_the_servers_place(azure, blob):
    azure.script([HttpRule(READ, "answer", answer=of_azure(503, "ServerBusy", retry_after=7))])
    with pytest.raises(HttpResponseError) as caught:
        blob.download_blob()
    assert (caught.value.status_code, caught.value.error_code, caught.value.response.headers["Retry-After"]) == (503, "ServerBusy", "7")
    assert [exchange.status for exchange in azure.exchanges()] == [503]
    assert b"<Code>SlowDown</Code>" in of_s3(503, "SlowDown").body


def test_a_request_is_held_while_the_blob_is_replaced(azure, blob):
    etag = blob.get_blob_properties().etag
    azure.script([HttpRule(reading(NAME, MIB), "hold", seconds=0.3, call=lambda: blob.set_blob_metadata({"n": str(time.monotonic_ns())}))])
    started = time.monotonic()
    with pytest.raises(HttpResponseError) as caught:
        blob.download_blob(etag=etag, match_condition=MatchConditions.IfNotModified).readall()
    assert caught.value.status_code == 412
    assert time.monotonic() - started > 0.3
    assert azure.fired() == [1]


def test_what_is_held_may_break_as_well(azure):
    azure.script([HttpRule(READ, "hold", seconds=0.05, times=None), HttpRule(READ, "answer", answer=Answer(500), skip=1)])
    assert [get(azure)[0] for _ in range(3)] == [206, 500, 206]
    assert azure.fired() == [3, 1]


def test_a_rule_finds_one_range_of_many(azure):
    azure.script([HttpRule(reading(NAME, MIB), "answer", answer=Answer(429), times=2)])
    starts = [0, MIB, MIB, MIB, 2 * MIB]
    assert [get(azure, start, start + 9)[0] for start in starts] == [206, 429, 429, 206, 206]


def test_what_is_no_reading_of_a_blob_is_told_apart():
    assert re.search(READ, f"GET /a/c/{NAME} bytes=0-9")
    assert re.search(READ, f"GET /a/c/{NAME}?sv=2024-01-01&sig=x bytes=0-9")
    for line in (f"GET /a/c/{NAME}?comp=blocklist bytes=0-9", f"GET /a/c/{NAME}", f"HEAD /a/c/{NAME} bytes=0-9", f"GET /a/c/x{NAME}.z bytes=0-9"):
        assert not re.search(READ, line), line


def test_connections_are_independent(azure):
    held, released = threading.Event(), threading.Event()
    azure.script([HttpRule(READ, "hold", call=lambda: held.set() or released.wait(30))])
    first = threading.Thread(target=get, args=(azure,))
    first.start()
    assert held.wait(30)
    assert get(azure)[0] == 206
    assert first.is_alive()
    released.set()
    first.join(30)
    assert not first.is_alive()


# What it refuses


def test_a_callback_that_fails_is_told(azure_port):
    with pytest.raises(ZeroDivisionError), HttpProxy("127.0.0.1", azure_port) as proxy:
        proxy.script([HttpRule(READ, "hold", call=lambda: 1 / 0)])
        get(proxy)


def test_a_place_behind_the_body_is_told(azure_port):
    with pytest.raises(Misuse, match="at byte 10, and the answer"), HttpProxy("127.0.0.1", azure_port) as proxy:
        proxy.script([HttpRule(READ, "flip", at=10)])
        with pytest.raises((OSError, http.client.HTTPException)):
            get(proxy, 0, 9)


@pytest.mark.parametrize(
    "rule",
    [
        {"do": "explode"},
        {"do": "drop", "when": "during"},
        {"do": "cut", "when": "after"},
        {"do": "hold"},
        {"do": "drop", "call": print},
        {"do": "answer"},
        {"do": "drop", "answer": Answer(500)},
        {"do": "drop", "at": 3},
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule):
    with pytest.raises(Misuse):
        HttpRule(READ, **rule)
