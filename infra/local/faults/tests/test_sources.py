"""The sources against the samples' independent computation, and that they hold the cases they are for."""

import json
from collections import Counter
from decimal import Decimal
from itertools import combinations, permutations

import expected
import pytest
from faults.model import table
from faults.sources import CUSTOMERS, versions

SOURCES = versions()
V1, V2, V3 = VERSIONS = [source.version for source in SOURCES]


def history(key: str) -> list[list[dict | None]]:
    """What each version says of the key, in its order."""
    return [[dict(record.values) for record in version.records if record.key == key] for version in VERSIONS]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.version.name)
def test_an_independent_computation_finds_the_same(source, tmp_path):
    path = tmp_path / "transactions.json"
    path.write_bytes(source.body)
    truth = expected.of_files(CUSTOMERS, path)
    version = source.version
    loaded = table([version])

    def total(rows, column: str) -> str:
        return str(sum((Decimal(row[column]) for row in rows if row[column]), Decimal("0.00" if column == "amount" else "0")))

    assert truth["rows"] == {
        "read": version.rows_read,
        "loaded": len(loaded),
        "superseded": len(version.records) - len(loaded),
        "quarantined": len(version.rejections),
    }
    assert truth["quarantined_by_rule"] == Counter(f"{r.column}.{r.rule}" for r in version.rejections)
    assert truth["customers_quarantined_by_rule"] == Counter(f"{r.column}.{r.rule}" for r in version.customers)
    assert truth["matched"] == sum(row["customer_matched"] == "true" for row in loaded.values())
    for column in ("amount", "quantity"):
        assert truth["sums"][column]["clean"] == total((record.values for record in version.records), column)
        assert truth["sums"][column]["loaded"] == total(loaded.values(), column)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.version.name)
def test_offsets_are_the_first_bytes_of_their_records(source):
    offsets = {item.offset for item in (*source.version.records, *source.version.rejections)}
    assert len(offsets) == source.version.rows_read == len(json.loads(source.body))
    for record in source.version.records:
        found, _end = json.JSONDecoder().raw_decode(source.body[record.offset :].decode())
        assert found["transaction_id"].strip() == record.key
    lines = CUSTOMERS.read_bytes()
    for rejection in source.version.customers:
        assert lines[rejection.offset - 1 : rejection.offset] == b"\n"


def test_they_are_always_the_same():
    assert versions() == SOURCES


def test_they_stay_below_the_gate():
    for version in VERSIONS:
        assert 40 <= version.rows_read <= 45
        assert len(version.rejections) / version.rows_read < 0.05


def test_every_subset_in_every_order_gives_its_own_table():
    """Else a load that took the wrong version could pass."""
    tables = []
    for size in (1, 2, 3):
        for subset in combinations(VERSIONS, size):
            assert all(table(order) == table(subset) for order in permutations(subset))
            tables.append(table(subset))
    assert all(one != other for one, other in combinations(tables, 2))


def test_keys_repeat_change_come_and_go():
    changed_within, repeated, returned = set(), set(), set()
    for version in VERSIONS:
        for key in {record.key for record in version.records}:
            contents = [dict(record.values) for record in version.records if record.key == key]
            repeated |= {key} if any(a == b for a, b in zip(contents, contents[1:], strict=False)) else set()
            changed_within |= {key} if contents[0] != contents[-1] else set()
            returned |= {key} if contents[0] == contents[-1] and any(c != contents[0] for c in contents) else set()
    assert len(changed_within) >= 4
    assert len(repeated) >= 3
    assert returned

    every = {record.key for version in VERSIONS for record in version.records}
    seen_in = {key: tuple(bool(said) for said in history(key)) for key in every}
    assert set(seen_in.values()) == {
        (True, False, False),
        (False, True, False),
        (False, False, True),
        (True, True, False),
        (False, True, True),
        (True, False, True),
        (True, True, True),
    }
    last = {key: [said[-1] for said in history(key)] for key in every if all(history(key))}
    assert sum(one == two == three for one, two, three in last.values()) >= 5
    assert sum(one != two and two != three and one != three for one, two, three in last.values()) >= 5
    assert sum(one == three != two for one, two, three in last.values()) >= 2
    single = {c for one, two, _ in last.values() for c in one if [k for k in one if one[k] != two[k]] == [c]}
    assert {"product", "transaction_ts"} <= single


def test_a_bad_record_hides_a_good_one():
    """A loader that took the bad record's key for a newer word, or its other columns, would differ."""
    assert not history("T0013")[1]
    assert table([V1, V2])["T0013"] == history("T0013")[0][-1]
    for source, key in ((SOURCES[0], "T0014"), (SOURCES[2], "T0015")):
        last = json.loads(source.body)[-1]
        assert last["transaction_id"].strip() == key
        good = next(record for record in source.version.records if record.key == key)
        assert last["product"] != good.values["product"] or last["transaction_ts"] not in str(good.values)
    assert "T0090" not in table(VERSIONS)


def test_amounts_have_cents_that_a_float_loses():
    amounts = {record.values["amount"] for record in V1.records}
    assert {"0.00", "0.01", "1234567890123456.78"} <= amounts
    assert any(f"{float(amount):.2f}" != amount for amount in amounts)


def test_there_are_rows_with_and_without_a_customer():
    for version in VERSIONS:
        matched = Counter(row["customer_matched"] for row in table([version]).values())
        assert min(matched.values()) >= 3
        assert len(matched) == 2
