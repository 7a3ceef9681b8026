"""A contract that names every type, rule and mask: through the functions, Spark or COPY, and the fold into the table."""

import datetime
import hashlib
import json
from decimal import Decimal
from pathlib import Path

import pytest
from laptop.inputs import Inputs
from laptop.paths import ROOT
from world import World

CONTRACT = ROOT / "functions" / "pipeline" / "tests" / "everything.odcs.yaml"

SHIPPED = ROOT / "contract.odcs.yaml"

CUSTOMERS = """Customer.Id[0],name,email,phone,note
K1, ada   LOVELACE ,ADA@Example.org,+44 20 7946 0000,secret
K2,bo,not an address,,
"""

ORDERS = [
    {
        "id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "customer": {"id": "K1", "address": {"a.b": 'Main "St"'}},
        "items": [{"sku": "a1", "n": 1}, 2],
        "amount": "12345.6789012345",
        "big": 123456789012345678901234567890,
        "small": "-32768",
        "whole": 2147483647,
        "long": -9223372036854775808,
        "rate": 0.25,
        "flag": True,
        "day": "2024-02-29",
        "at": "2024-02-29T23:30:00-05:00",
        "local_at": "2024-02-29 12:00:00",
    },
    {"id": "1f8fad5b-d9cb-469f-a165-70867728950e", "customer": {"id": "K2"}, "items": [{"sku": "n/a"}], "at": "2024-02-29T00:00:00Z"},
]

SALT = "a long random text"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("orders")
    (folder / "customers.csv").write_text(CUSTOMERS)
    (folder / "orders.json").write_text(json.dumps(ORDERS))
    return Inputs(folder / "customers.csv", folder / "orders.json", CONTRACT)


@pytest.fixture(scope="module")
def salt(world: World) -> str:
    return world.stack.client("secretsmanager").create_secret(Name="crosstally-test/salt", SecretString=SALT)["ARN"]


def test_every_type_and_mask_arrives_in_the_table(world: World, inputs: Inputs, salt: str) -> None:
    world.seed(inputs)
    world.configure(MASK_SALT_SECRET_ID=salt, LOAD_MODE="glue")
    ended = world.run()
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    first, second = world.query(
        "SELECT customer_id, street, sku, amount, big, small, whole, long, rate, flag, day, at, local_at, items, matched, name, email, phone, note"
        " FROM mart.order_facts ORDER BY id"
    )
    utc = datetime.UTC
    assert (first[0].rstrip(), *first[1:]) == (
        "K1",
        'Main "St"',
        "A-1",
        Decimal("12345.6789012345"),
        Decimal("123456789012345678901234567890"),
        -32768,
        2147483647,
        -9223372036854775808,
        0.25,
        True,
        datetime.date(2024, 2, 29),
        datetime.datetime(2024, 3, 1, 4, 30, tzinfo=utc),
        datetime.datetime(2024, 2, 29, 12, 0),
        [{"sku": "a1", "n": 1}, 2],
        True,
        "Ada Lovelace",
        hashlib.sha256(f"{SALT}ada@example.org".encode()).hexdigest(),
        "********0000",
        "REDACTED",
    )
    assert (second[0].rstrip(), *second[1:]) == (
        "K2",
        *[None] * 4,
        7,
        *[None] * 5,
        datetime.datetime(2024, 2, 29, tzinfo=utc),
        None,
        [{"sku": "n/a"}],
        True,
        "Bo",
        None,
        None,
        "REDACTED",
    )
    # No step makes the empty note null, so a text stands there, and is masked.
    # The same rows again change nothing, though they come the other way: every type compares equal to itself.
    world.configure(MASK_SALT_SECRET_ID=salt)
    again = world.run()
    assert world.ledger(again.name).rows["loaded"] == 2
    assert world.query("SELECT rows_unchanged FROM crosstally.ledger WHERE run_id = %s", again.name) == [(2,)]


def test_a_key_of_two_columns_tells_rows_apart_by_both(world: World, tmp_path: Path) -> None:
    text = SHIPPED.read_text().replace("analytics.customer_transactions", "analytics.per_customer")
    changed = text.replace("- {name: customer_id, transform", "- {name: customer_id, primaryKey: true, transform")
    assert changed != text
    (tmp_path / "contract.yaml").write_text(changed)
    (tmp_path / "customers.csv").write_text("customer_id\nC1\n")
    rows = [("T1", "C1", 1), ("T1", "C2", 2), ("T1", "C1", 3), ("T2", "C1", 4)]
    record = {"currency": "EUR", "transaction_ts": "2026-01-01T00:00:00Z"}
    lines = [json.dumps({"transaction_id": t, "customer_id": c, "amount": a, **record}) for t, c, a in rows]
    (tmp_path / "transactions.json").write_text("\n".join(lines))
    world.seed(Inputs(tmp_path / "customers.csv", tmp_path / "transactions.json", tmp_path / "contract.yaml"))
    ended = world.run()
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    assert world.ledger(ended.name).rows["superseded"] == 1
    found = world.query("SELECT transaction_id, customer_id, amount FROM analytics.per_customer ORDER BY amount")
    assert [(t, c, int(a)) for t, c, a in found] == rows[1:]


def test_a_mask_by_hash_without_its_salt_is_refused(world: World, inputs: Inputs) -> None:
    world.seed(inputs)
    before = world.tables()
    ended = world.run()
    assert (ended.status, ended.error["name"]) == ("FAILED", "ConfigInvalid")
    assert "MaskSaltSecretArn" in ended.error["message"]
    assert world.tables() == before
