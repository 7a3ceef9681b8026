"""The emulated AWS as this stack starts it: checksums by a library, and waits that tests may shorten."""

import base64
import json
import subprocess
import sys
import threading
import time
import uuid
from types import SimpleNamespace

import pytest
from awscrt import checksums
from botocore.exceptions import ClientError
from laptop import clients, components, emulator
from laptop.stack import Stack
from world import WAIT_SCALE

BUCKET = "emulator-tests"
# The check values of the catalogue of CRCs at reveng.sourceforge.io.
SAMPLE, CRC64_NVME, CRC32C = b"123456789", 0xAE8B14860A799888, 0xE3069283


def emulated_s3(**functions) -> SimpleNamespace:
    """As much of ministack.services.s3 as the wrapper looks at."""
    return SimpleNamespace(**{"_crc64nvme": lambda _: CRC64_NVME, "_crc32c": lambda _: CRC32C} | functions)


def test_the_library_gives_the_known_checksums() -> None:
    s3 = emulated_s3()
    emulator.speed_up(s3)
    assert (s3._crc64nvme, s3._crc32c) == (checksums.crc64nvme, checksums.crc32c)
    assert (s3._crc64nvme(SAMPLE), s3._crc32c(SAMPLE)) == (CRC64_NVME, CRC32C)
    assert (s3._crc64nvme(b""), s3._crc32c(b"")) == (0, 0)


def test_a_release_that_computes_otherwise_is_refused() -> None:
    gone = emulated_s3()
    del gone._crc64nvme
    with pytest.raises(emulator.EmulatorChanged, match="no _crc64nvme any more"):
        emulator.speed_up(gone)
    with pytest.raises(emulator.EmulatorChanged, match="_crc32c .* another value"):
        emulator.speed_up(emulated_s3(_crc32c=lambda _: 0))


def test_the_pinned_release_computes_by_the_library() -> None:
    """Its own functions must agree with the library's, and a checksum that S3 needs must come from there."""
    script = """
import os
from ministack import app
from ministack.services import s3
from laptop import emulator
from awscrt import checksums

own, bodies = (s3._crc64nvme, s3._crc32c), [os.urandom(length) for length in (0, 1, 7, 8, 9, 255, 4097)]
app.main, counted = lambda: None, []
emulator.main()
assert (s3._crc64nvme, s3._crc32c) == (checksums.crc64nvme, checksums.crc32c)
for body in bodies:
    assert [function(body) for function in own] == [s3._crc64nvme(body), s3._crc32c(body)], body
s3._crc64nvme = s3._crc32c = lambda body: counted.append(body) or 0
for algorithm in ("CRC64NVME", "CRC32C"):
    s3._compute_s3_checksum(algorithm, b"x")
assert counted == [b"x", b"x"], counted
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_the_stack_starts_it(stack: Stack) -> None:
    assert command_of(stack, "ministack")[1:] == ["-m", "laptop.emulator"]


def command_of(stack: Stack, name: str) -> list[str]:
    return next(component._process.args for component in stack._components if component.name == name)


@pytest.mark.parametrize(("algorithm", "value"), [("CRC64NVME", CRC64_NVME.to_bytes(8, "big")), ("CRC32C", CRC32C.to_bytes(4, "big"))])
def test_s3_keeps_a_right_checksum_and_refuses_a_wrong_one(stack: Stack, algorithm: str, value: bytes) -> None:
    s3, argument = stack.client("s3"), f"Checksum{algorithm}"
    s3.create_bucket(Bucket=BUCKET)
    right = base64.b64encode(value).decode()
    s3.put_object(Bucket=BUCKET, Key="right", Body=SAMPLE, **{argument: right})
    assert s3.head_object(Bucket=BUCKET, Key="right", ChecksumMode="ENABLED")[argument] == right
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=BUCKET, Key="wrong", Body=SAMPLE + b"0", **{argument: right})
    assert caught.value.response["Error"]["Code"] == "BadDigest"


def execute(stack: Stack, **state) -> dict:
    """One execution of a machine of one state; returns its description when it has ended."""
    client, name = stack.client("stepfunctions"), f"waits-{uuid.uuid4().hex[:8]}"
    definition = json.dumps({"StartAt": "It", "States": {"It": state | {"End": True}}})
    machine = client.create_state_machine(name=name, definition=definition, roleArn="arn:aws:iam::000000000000:role/states")["stateMachineArn"]
    arn = client.start_execution(stateMachineArn=machine)["executionArn"]
    while (description := client.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(0.05)
    return description


def test_waits_and_retries_of_tests_are_shortened(stack: Stack) -> None:
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 30, "MaxAttempts": 1}]
    call = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "no-such-function"}, "Retry": retry}
    for state, status in (({"Type": "Wait", "Seconds": 30}, "SUCCEEDED"), (call, "FAILED")):
        ended = execute(stack, **state)
        seconds = (ended["stopDate"] - ended["startDate"]).total_seconds()
        assert ended["status"] == status
        assert 30 * WAIT_SCALE <= seconds < 30


def test_waits_are_real_unless_somebody_says_otherwise(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """Also where the shell has the emulator's own variable."""
    monkeypatch.setenv("SFN_WAIT_SCALE", "0")
    started = []
    monkeypatch.setattr(components, "Component", lambda *words, **options: started.append(options["env"]) or SimpleNamespace(stop=lambda: None))
    monkeypatch.setattr(components, "start_on_a_free_port", lambda start, ready: (start(1), 1))
    components.start_aws(tmp_path, tmp_path, "http://127.0.0.1:9")
    components.start_aws(tmp_path, tmp_path, "http://127.0.0.1:9", wait_scale=0.5)
    assert [float(env["SFN_WAIT_SCALE"]) for env in started] == [1.0, 0.5]
    assert Stack("never-started")._wait_scale == 1.0


def test_a_client_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once per call, not by two threads at once, and another one for another endpoint."""
    made, busy = [], threading.Lock()

    def make(service: str, **options) -> object:
        assert busy.acquire(blocking=False), "two threads made a client at once"
        time.sleep(0.02)
        made.append((service, options["endpoint_url"]))
        busy.release()
        return object()

    monkeypatch.setattr(clients.boto3, "client", make)
    monkeypatch.setattr(clients, "_clients", {})
    got = []
    threads = [threading.Thread(target=lambda n=n: got.append(clients.client("s3", f"http://127.0.0.1:{n % 2}"))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [("s3", "http://127.0.0.1:0"), ("s3", "http://127.0.0.1:1")]
    assert len(got) == 8 and len(set(map(id, got))) == 2
