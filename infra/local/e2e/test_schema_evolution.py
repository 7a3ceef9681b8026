"""A contract that has changed meets the table of the old one."""

from contracts import SHIPPED, load, replaced, without
from world import World

COLUMNS = """SELECT column_name, data_type, character_maximum_length FROM information_schema.columns
    WHERE table_name = 'customer_transactions' ORDER BY ordinal_position"""


def test_a_new_column_is_added_and_filled(anew: World) -> None:
    assert load(anew, without("city")).status == "SUCCEEDED"
    assert "city" not in {column for column, *_ in anew.query(COLUMNS)}

    ended = load(anew, SHIPPED)

    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    assert anew.query(COLUMNS)[-1] == ("city", "character varying", 256)
    cities = anew.query("SELECT COUNT(city) FROM analytics.customer_transactions WHERE customer_matched")[0][0]
    assert cities > 0
    assert anew.ledger(ended.name).row["rows_updated"] == cities


def test_a_text_is_widened(anew: World) -> None:
    narrow = replaced("physicalType: VARCHAR(512)", "physicalType: VARCHAR(100)")
    assert load(anew, narrow).status == "SUCCEEDED"

    ended = load(anew, SHIPPED)

    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    assert ("product", "character varying", 512) in anew.query(COLUMNS)


def test_a_narrower_contract_leaves_the_table(anew: World) -> None:
    assert load(anew, SHIPPED).status == "SUCCEEDED"
    ended = load(anew, replaced("physicalType: VARCHAR(512)", "physicalType: VARCHAR(100)"))
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    assert ("product", "character varying", 512) in anew.query(COLUMNS)


def test_what_cannot_be_altered_is_refused_before_any_row_moves(anew: World) -> None:
    assert load(anew, SHIPPED).status == "SUCCEEDED"
    before = anew.tables()

    ended = load(anew, replaced("DECIMAL(18,2)", "DECIMAL(20,2)", without("city")))

    assert ended.status == "FAILED"
    assert ended.error["name"] == "ContractIncompatible"
    for fragment in ("analytics.customer_transactions", "amount is DECIMAL(18,2) there and DECIMAL(20,2) in the contract", "city is in the table only"):
        assert fragment in ended.error["message"]
    assert anew.tables() == before
    assert list(ended.states)[-1] == "StartLoad"
