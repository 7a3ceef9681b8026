"""What is known of a run in each of its states, asked when it has ended: it then is what it was last."""

import pytest
from laptop.execution import Execution
from laptop.inputs import Inputs
from world import World


@pytest.fixture(scope="module")
def run(world: World) -> Execution:
    world.empty_warehouse()
    world.seed()
    run = world.run()
    assert run.status == "SUCCEEDED", run.error
    return run


def test_each_state_says_how_far_it_is(world: World, run: Execution) -> None:
    rows = world.ledger(run.name).rows
    megabytes = f"{Inputs().transactions.stat().st_size / 1e6:.1f} MB"
    clean = rows["read"] - rows["quarantined"]

    def check(state: str, *expected: str) -> None:
        assert world.facts(run, state) == expected

    check("PrepareRun")
    check("FetchTransactions", megabytes)
    check("MergeAndClean", "1 of 1 split", f"{rows['read']:,} of {rows['read']:,} rows")
    for state in ("StartLoad", "WaitForLoad", "CheckLoad"):
        check(state, f"{clean:,} clean rows", "a batch of the Data API")
    check("Done")
    assert world.facts(run, "FetchTransactions", reads_the_blob=False) == ()


def test_a_copy_is_as_far_as_its_parts(world: World, run: Execution) -> None:
    s3, place = world.stack.client("s3"), {"Bucket": world.session.deployment.bucket, "Key": "raw/transactions/under-way/transactions.json"}
    upload = s3.create_multipart_upload(**place)["UploadId"]
    try:
        for number in (1, 2):
            s3.upload_part(**place, UploadId=upload, PartNumber=number, Body=b"x" * 500_000)
        assert world.facts(run, "FetchTransactions")[0] == f"1.0 of {Inputs().transactions.stat().st_size / 1e6:.1f} MB"
    finally:
        s3.abort_multipart_upload(**place, UploadId=upload)


def test_of_a_run_that_has_not_got_there_nothing_is_known(world: World, run: Execution) -> None:
    nobody = Execution(run.arn, "run-nobody")
    assert [world.facts(nobody, state) for state in ("MergeAndClean", "WaitForLoad")] == [(), ()]
