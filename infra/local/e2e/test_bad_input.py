"""Whatever is wrong with a source: the execution fails under a stable name with one sentence that helps, and the warehouse is as it was."""

import re
from collections.abc import Callable

import pytest
from laptop import seed
from laptop.paths import ROOT
from world import World

CONTRACT = (ROOT / "contract.odcs.yaml").read_text()
CONTRACT_URI = seed.CONTRACT_KEY
BLOB_URI = f"{seed.CONTAINER}/{seed.BLOB}"


NO_SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:no-such-secret-abc123"


def name_no_secret(world: World) -> None:
    world.configure(AZURE_SECRET_ID=NO_SECRET)


def nonsense_secret(world: World) -> None:
    world.put_secret("not a connection string")


def wrong_key(world: World) -> None:
    world.put_secret(seed.connection_string(world.stack, key="d3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXkgd3Jvbmcga2V5IQ=="))


def delete_container(world: World) -> None:
    seed.blob_service(world.stack).delete_container(seed.CONTAINER)


def delete_blob(world: World) -> None:
    seed.blob_service(world.stack).get_blob_client(seed.CONTAINER, seed.BLOB).delete_blob()


def delete_customers(world: World) -> None:
    world.stack.client("s3").delete_object(Bucket=seed.CUSTOMERS_BUCKET, Key=seed.CUSTOMERS_KEY)


def customers(content: bytes) -> Callable[[World], None]:
    return lambda world: world.stack.client("s3").put_object(Bucket=seed.CUSTOMERS_BUCKET, Key=seed.CUSTOMERS_KEY, Body=content)


def blob(content: bytes) -> Callable[[World], None]:
    return lambda world: world.put_blob(content)


def contract(text: str) -> Callable[[World], None]:
    return lambda world: world.put_object(seed.CONTRACT_KEY, text.encode())


def without_the_key(text: str) -> str:
    """The shipped contract without the transactions' key column."""
    changed = re.sub(r"primaryKey: *true", "primaryKey: false", text)
    assert changed != text
    return changed


def with_an_unknown_verb(text: str) -> str:
    changed = re.sub(r"(property: clean, value: \[)trim\b", r"\1polish", text, count=1)
    assert changed != text
    return changed


def with_min_rows(rows: int) -> str:
    changed = CONTRACT.replace("\ncustomProperties:\n", f"\ncustomProperties:\n  - {{property: minRows, value: {rows}}}\n", 1)
    assert changed != CONTRACT
    return changed


def that_fails_on_amounts(text: str) -> str:
    bound = "logicalTypeOptions: {minimum: 0}\n        customProperties: ["
    changed = text.replace(bound, f"{bound}{{property: onViolation, value: fail}}, ", 1)
    assert changed != text
    return changed


GOOD = b'{"transaction_id": "t1", "customer_id": "C1", "amount": 1, "currency": "EUR", "transaction_ts": "2026-01-01T00:00:00Z"}'
MOSTLY_BAD = b"\n".join([GOOD, b'{"amount": -1}', b'{"amount": 2}', b"x"])

# id: (what spoils it, the error's name, what its sentence must say)
CASES = {
    "no-secret": (name_no_secret, "SecretMissing", [NO_SECRET]),
    "odd-secret": (nonsense_secret, "SecretInvalid", [seed.AZURE_SECRET]),
    "wrong-key": (wrong_key, "SourceForbidden", [BLOB_URI]),
    "no-container": (delete_container, "SourceMissing", [seed.CONTAINER]),
    "no-blob": (delete_blob, "SourceMissing", [BLOB_URI]),
    "no-customers": (delete_customers, "SourceMissing", [seed.CUSTOMERS_KEY]),
    "empty-customers": (customers(b""), "SourceEmpty", [seed.CUSTOMERS_KEY]),
    "empty-blob": (blob(b""), "SourceEmpty", [BLOB_URI]),
    "blob-not-json": (blob(b"transaction_id;amount\n1;2.50\n"), "SourceMalformed", [BLOB_URI, "byte"]),
    "blob-html": (blob(b"<html><body>502 Bad Gateway</body></html>"), "SourceMalformed", [BLOB_URI, "byte"]),
    "array-of-numbers": (blob(b"[1, 2, 3]"), "SourceMalformed", [BLOB_URI, "byte"]),
    "a-bare-text": (blob(b'"just a text"'), "SourceMalformed", [BLOB_URI, "byte"]),
    "array-cut-off": (blob(b'[{"transaction_id": "t1", "amount": 1}, {"transaction_id": "t2"'), "SourceMalformed", [BLOB_URI, "byte"]),
    # What only the splits or the sealing can see: a Map hides the errors of its items, so these came through the report of a failed split.
    "array-with-a-broken-record": (blob(b'[{"transaction_id": "t1"}, {"amount": tru}]'), "SourceMalformed", [BLOB_URI, "byte 41"]),
    "records-in-a-wrapper": (blob(b'{"transactions": [{"transaction_id": "t1"}]}'), "SourceMalformed", [BLOB_URI, "1 record"]),
    "customers-without-key": (customers(b"id,email\n1,a@example.org\n"), "SourceMalformed", [seed.CUSTOMERS_KEY, "customer_id", "id, email"]),
    "customers-only-a-header": (customers(b"customer_id,email\n"), "SourceMalformed", [seed.CUSTOMERS_KEY, "byte"]),
    "customers-with-an-open-quote": (
        customers(b'customer_id,email\nC1,"a@example.org\nC2,b@example.org\n'),
        "SourceMalformed",
        [seed.CUSTOMERS_KEY, "byte 18"],
    ),
    "contract-not-yaml": (contract("schema: [unclosed\n  - {"), "ContractInvalid", [CONTRACT_URI, "line"]),
    "contract-without-key": (contract(without_the_key(CONTRACT)), "ContractInvalid", [CONTRACT_URI, "primaryKey"]),
    "too-many-quarantined": (blob(MOSTLY_BAD), "QualityGateFailed", [BLOB_URI, "3 of 4 rows", "malformed 1", "maxQuarantineRatio", "quarantine/"]),
    "too-few-rows": (contract(with_min_rows(1_000_000)), "QualityGateFailed", [BLOB_URI, "minRows of 1000000"]),
    "a-violation-that-fails": (contract(that_fails_on_amounts(CONTRACT)), "QualityGateFailed", [BLOB_URI, "amount", "onViolation", "byte"]),
    "contract-unknown-verb": (contract(with_an_unknown_verb(CONTRACT)), "ContractInvalid", [CONTRACT_URI, "polish", "line"]),
}


@pytest.fixture(scope="module")
def loaded(world: World) -> World:
    """A warehouse that already holds a good run, so that there is something to be left untouched."""
    world.seed()
    assert world.run().status == "SUCCEEDED"
    return world


@pytest.mark.parametrize("case", CASES)
def test_bad_input_fails_by_name_and_loads_nothing(loaded: World, case: str) -> None:
    spoil, name, fragments = CASES[case]
    loaded.seed()
    before = loaded.tables()
    spoil(loaded)

    ended = loaded.run()

    assert ended.status == "FAILED"
    assert ended.error["name"] == name, ended.error
    message = ended.error["message"]
    for fragment in fragments:
        assert fragment in message
    assert "\n" not in message and len(message) < 1000
    # It ends with what to do.
    assert re.search(r"[:;,] \w[^:;]{8,}$", message), message
    assert "AccountKey" not in message
    assert loaded.ledger(ended.name) is None
    assert loaded.tables() == before
