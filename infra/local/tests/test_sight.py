"""What is known of a run in each of its states, asked when it has ended: it then is what it was last."""

from datetime import UTC, datetime

import pytest
from conftest import World
from laptop.execution import Execution, State
from laptop.inputs import Inputs
from laptop.sight import Sight


@pytest.fixture(scope="module")
def run(world: World) -> Execution:
    world.empty_warehouse()
    world.seed(Inputs())
    run = world.run()
    assert run.status == "SUCCEEDED", run.error
    return run


def facts(world: World, run: Execution, state: str, reads_the_blob: bool = True) -> tuple[str, ...]:
    being_there = Execution(run.arn, run.name, states={state: State(state, 1, 0.0, datetime.now(UTC))})
    (stay,) = Sight(world.session, run.name, reads_the_blob).stays(being_there, with_facts=True)
    assert (stay.name, stay.how) == (state, "in")
    return stay.facts


def test_each_state_says_how_far_it_is(world: World, run: Execution) -> None:
    rows = world.ledger(run.name).rows
    megabytes = f"{Inputs().transactions.stat().st_size / 1e6:.1f} MB"
    clean = rows["read"] - rows["quarantined"]

    def check(state: str, *expected: str) -> None:
        assert facts(world, run, state) == expected

    check("PrepareRun")
    check("FetchTransactions", megabytes)
    check("MergeAndClean", "1 of 1 split", f"{rows['read']:,} of {rows['read']:,} rows")
    for state in ("StartLoad", "WaitForLoad", "CheckLoad"):
        check(state, f"{clean:,} clean rows", "Glue job SUCCEEDED")
    check("Done")
    assert facts(world, run, "FetchTransactions", reads_the_blob=False) == ()


def test_a_copy_is_as_far_as_its_parts(world: World, run: Execution) -> None:
    s3, place = world.stack.client("s3"), {"Bucket": world.session.deployment.bucket, "Key": "raw/transactions/under-way/transactions.json"}
    upload = s3.create_multipart_upload(**place)["UploadId"]
    try:
        for number in (1, 2):
            s3.upload_part(**place, UploadId=upload, PartNumber=number, Body=b"x" * 500_000)
        assert facts(world, run, "FetchTransactions")[0] == f"1.0 of {Inputs().transactions.stat().st_size / 1e6:.1f} MB"
    finally:
        s3.abort_multipart_upload(**place, UploadId=upload)


def test_of_a_run_that_has_not_got_there_nothing_is_known(world: World, run: Execution) -> None:
    nobody = Execution(run.arn, "run-nobody")
    assert [facts(world, nobody, state) for state in ("MergeAndClean", "WaitForLoad")] == [(), ()]
