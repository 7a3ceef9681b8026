"""A fetch that is stopped, by its deadline or by a kill, and one that is asked for again: what is there is not copied twice, and half a copy is none."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess

import pytest
from faults.http_rules import HttpRule, reading
from faults.steps import StepFailed
from fetching import COMPLETE, CREATE, LARGE, MIB, RANGE_BYTES, Fetching, records
from laptop import seed
from laptop.inputs import Inputs

RANGES = 5
# Of a short time the function keeps a quarter for what is under way.
SECONDS = 12
COPYING_SECONDS = SECONDS * 3 / 4
# What it cannot wait for.
SLOW_SECONDS = COPYING_SECONDS + 3


def test_a_fetch_that_runs_out_of_time_goes_on_in_the_next_call(fetching: Fetching) -> None:
    """The first ranges come at once and the others so slowly that the first call cannot wait for them."""
    world = fetching.world
    content = fetching.put(records(RANGES * RANGE_BYTES // MIB))
    fetching.configure(SECONDS)
    uploads = fetching.uploads()
    fetching.s3.script([])
    slow = "|".join(reading(seed.BLOB, start * RANGE_BYTES) for start in range(2, RANGES))
    fetching.azure.script([HttpRule(slow, "hold", seconds=SLOW_SECONDS, times=RANGES - 2)])

    ended = world.run()

    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    assert ended.states["FetchTransactions"].visits >= 2
    answer = fetching.fetch(ended.name)
    manifest = fetching.manifest(answer)
    assert hashlib.sha256(world.body(manifest["raw_key"])).digest() == hashlib.sha256(content).digest()
    assert (manifest["sha256"], manifest["md5"]) == (hashlib.sha256(content).hexdigest(), hashlib.md5(content, usedforsecurity=False).hexdigest())
    assert manifest["records"] == content.count(b"\n") == world.ledger(ended.name).rows["read"]
    # One upload, each part of it once, and what had been taken was not read again.
    assert len(fetching.s3.exchanges(CREATE)) == len([done for done in fetching.s3.exchanges(COMPLETE) if done.status == 200]) == 1
    assert fetching.parts_sent() == [1, 2, 3, 4, 5]
    assert fetching.starts()[:2] == [0, RANGE_BYTES]
    assert fetching.uploads() == uploads


def test_a_call_that_must_stop_says_how_far_it_came(fetching: Fetching) -> None:
    content = fetching.put(records(RANGES * RANGE_BYTES // MIB))
    fetching.configure(SECONDS)
    slow = "|".join(reading(seed.BLOB, start * RANGE_BYTES) for start in range(2, RANGES))
    fetching.azure.script([HttpRule(slow, "hold", seconds=SLOW_SECONDS, times=RANGES - 2)])
    request = {"run_id": fetching.run_id(), "started_at": "2026-11-21T02:00:00.000Z", "input": {}}

    before = fetching.uploads()

    with fetching.nothing_is_left_but_an_upload():
        answer = fetching.world.steps.invoke("FetchAzureToS3", request)

    assert answer["outcome"] == "continue"
    assert answer["run_id"] == request["run_id"]
    assert (answer["copied_bytes"], answer["total_bytes"]) == (2 * RANGE_BYTES, len(content))

    # Replaced meanwhile, it is another blob: what was copied is of no use, and nothing of it is published.
    fetching.azure.script([])
    fetching.put(records(1))
    with pytest.raises(StepFailed) as failed:
        fetching.world.steps.invoke("FetchAzureToS3", request)
    assert failed.value.name == "SourceChanged"
    assert fetching.uploads() == before


def test_a_fetch_that_is_killed_leaves_nothing_to_be_read(fetching: Fetching) -> None:
    content = fetching.put(records(RANGES * RANGE_BYTES // MIB))
    run_id = fetching.run_id()
    fetching.s3.script([])
    fetching.azure.script([HttpRule(reading(seed.BLOB, (RANGES - 1) * RANGE_BYTES), "hold", call=lambda: kill_the_functions(fetching))])

    with fetching.nothing_is_left_but_an_upload(), pytest.raises(StepFailed):
        fetching.fetch(run_id)

    assert fetching.azure.fired() == [1]
    assert fetching.s3.exchanges(COMPLETE) == []
    fetching.azure.script([])
    answer = fetching.fetch(run_id)
    assert fetching.raw(answer) == content


def test_another_run_of_the_same_version_copies_nothing(fetching: Fetching) -> None:
    fetching.put(records(LARGE))
    first = fetching.fetch()
    fetching.s3.script([])
    fetching.azure.script([])

    second = fetching.fetch()

    assert second["raw_manifest"] == first["raw_manifest"]
    assert (second["bytes"], second["splits"]) == (first["bytes"], first["splits"])
    assert (fetching.gets(), fetching.s3.exchanges(r"^(PUT|POST) \S*/raw/")) == ([], [])


def test_the_same_call_twice_gives_the_same_answer(fetching: Fetching) -> None:
    run_id = fetching.run_id()
    first = fetching.fetch(run_id)
    assert first["outcome"] == "fetched"
    fetching.put(records(1))  # a newer version concerns the next run
    fetching.azure.script([])
    assert fetching.fetch(run_id) == first
    assert fetching.azure.exchanges() == []


def test_a_run_that_is_called_again_after_a_lost_answer_of_the_manifest(fetching: Fetching) -> None:
    """The manifest is what makes the copy one; that it was written may be all that is not known."""
    content = fetching.put(records(1))
    fetching.s3.script([HttpRule(r"^PUT \S*/raw/\S*/manifest-\d+\.json", "drop", "after", times=1)])
    answer = fetching.fetch()
    assert fetching.s3.fired() == [1]
    assert fetching.raw(answer) == content


# The customers


def test_customers_that_are_replaced_in_a_run_are_noticed_without_versions(fetching: Fetching) -> None:
    world, s3 = fetching.world, fetching.world.stack.client("s3")
    bucket = "crosstally-test-customers"
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=seed.CUSTOMERS_KEY, Body=Inputs().customers.read_bytes())
    fetching.configure(CUSTOMERS_BUCKET=bucket)
    answer = fetching.fetch()
    pinned = world.read(f"runs/{answer['run_id']}/inputs.json")["customers"]
    assert (pinned["bucket"], pinned["version_id"]) == (bucket, None)

    s3.put_object(Bucket=bucket, Key=seed.CUSTOMERS_KEY, Body=Inputs().customers.read_bytes() + b"C9,x\n")

    with pytest.raises(StepFailed) as failed:
        world.steps.invoke("MergeAndClean", {"action": "clean", "run_id": answer["run_id"], "split": 0})
    assert (failed.value.name, f"s3://{bucket}/{seed.CUSTOMERS_KEY}" in failed.value.message) == ("SourceChanged", True), failed.value


def test_customers_that_are_replaced_in_a_run_are_read_as_they_were_with_versions(fetching: Fetching) -> None:
    world = fetching.world
    answer = fetching.fetch()
    world.steps.invoke("MergeAndClean", {"action": "clean", "run_id": answer["run_id"], "split": 0})
    before = world.read(f"runs/{answer['run_id']}/parts/part-00000.json")

    world.stack.client("s3").put_object(Bucket=seed.CUSTOMERS_BUCKET, Key=seed.CUSTOMERS_KEY, Body=b"customer_id,email\nC1,a@example.org\n")
    s3 = world.stack.client("s3")
    s3.delete_object(Bucket=world.session.deployment.bucket, Key=f"runs/{answer['run_id']}/parts/part-00000.json")
    world.steps.invoke("MergeAndClean", {"action": "clean", "run_id": answer["run_id"], "split": 0})

    after = world.read(f"runs/{answer['run_id']}/parts/part-00000.json")
    assert json.dumps(after) == json.dumps(before)


def kill_the_functions(fetching: Fetching) -> None:
    """SIGKILL to the processes of this stack's functions, of which only the one that fetches is at work."""
    listed = subprocess.run(["ps", "-axwwo", "pid=,command="], capture_output=True, text=True, check=True).stdout
    ours = [line.split() for line in listed.splitlines() if str(fetching.world.stack.folder) in line and "bootstrap" in line]
    assert ours, "no function runs"
    for pid, *_ in ours:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
