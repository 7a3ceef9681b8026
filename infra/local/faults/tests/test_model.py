"""The model against two other ways of saying the same, over random histories; and that it sees every kind of damage."""

import random

import pytest
from faults.model import Damage, Record, Rejection, SourceVersion, books, damage, table

SEEDS = range(100)


def history(seed: int) -> list[SourceVersion]:
    """Up to six versions, that share few keys and few values, so that all coincidences happen."""
    draw = random.Random(seed)
    versions = []
    for modified_at in range(draw.randint(1, 6)):
        records = [Record(10 * n, f"K{draw.randrange(8)}", {"v": str(draw.randrange(4))}) for n in range(draw.randrange(12))]
        rejections = [Rejection("transactions", 10 * n + 5, "type", "v") for n in range(draw.randrange(3))]
        versions.append(SourceVersion(f"v{modified_at}", modified_at, tuple(records), tuple(rejections)))
    return versions


def executions(seed: int) -> list[SourceVersion]:
    """Some versions, some of them several times, in any order."""
    draw = random.Random(-seed - 1)
    versions = history(seed)
    return [draw.choice(versions) for _ in range(draw.randint(1, 10))]


@pytest.mark.parametrize("seed", SEEDS)
def test_each_row_is_the_last_record_of_the_newest_version_that_has_its_key(seed):
    loaded = executions(seed)
    records = [(version.modified_at, record.offset, record) for version in loaded for record in version.records]
    best = {}
    for candidate in records:
        if candidate[:2] >= best.get(candidate[2].key, candidate)[:2]:
            best[candidate[2].key] = candidate
    assert table(loaded) == {key: record.values for key, (_, _, record) in best.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_what_a_load_leaves_that_replaces_what_is_not_newer_in_any_order_of_commits(seed):
    rows = {}
    for version in executions(seed):
        for key in {record.key for record in version.records}:
            if key not in rows or rows[key][0] <= version.modified_at:
                rows[key] = version.modified_at, [r.values for r in version.records if r.key == key][-1]
    assert table(executions(seed)) == {key: values for key, (_, values) in rows.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_order_and_repetition_do_not_matter_and_keys_never_vanish(seed):
    loaded = executions(seed)
    shuffled = loaded * 2
    random.Random(seed).shuffle(shuffled)
    assert table(shuffled) == table(loaded)
    assert table(loaded[:1]).keys() <= table(loaded).keys()


def test_a_rejected_record_leaves_the_older_row():
    old = SourceVersion("old", 1, (Record(0, "K", {"v": "1"}),))
    new = SourceVersion("new", 2, (), (Rejection("transactions", 0, "type", "v"),))
    assert table([new, old]) == {"K": {"v": "1"}}


# Damage


@pytest.mark.parametrize("seed", SEEDS)
def test_every_single_damage_is_found_and_nothing_else(seed):
    expected = table(executions(seed))
    actual = {key: [dict(values)] for key, values in expected.items()}
    assert not damage(expected, actual)
    if not expected:
        return
    key = random.Random(seed).choice(sorted(expected))
    row = actual[key][0]
    other = row | {"v": "other"}

    assert damage(expected, {k: rows for k, rows in actual.items() if k != key}) == Damage(lost=(key,))
    assert damage(expected, actual | {key: []}) == Damage(lost=(key,))
    assert damage(expected, actual | {key: [row, row, row]}) == Damage(duplicated=(key, key))
    assert damage(expected, actual | {key: [other]}) == Damage(altered=(f"{key}: v is 'other', not {row['v']!r}",))
    assert damage(expected, actual | {key: [row | {"more": None}]}).altered == (f"{key}: more is None, not None",)
    assert damage(expected, actual | {"X": [row]}) == Damage(altered=("X: must not be there",))
    both = damage(expected, actual | {key: [row, other]})
    assert (both.lost, both.duplicated, len(both.altered)) == ((), (key,), 1)


def entry(version: SourceVersion) -> dict[str, str]:
    """A ledger row, with counts as text."""
    keys = {record.key for record in version.records}
    counts = {"read": version.rows_read, "loaded": len(keys), "superseded": len(version.records) - len(keys), "quarantined": len(version.rejections)}
    return {f"rows_{name}": str(count) for name, count in counts.items()}


CUSTOMER = Rejection("customers", 7, "required", "customer_id")
FIRST, SECOND = (Rejection("transactions", offset, "type", "amount") for offset in (40, 80))
VERSION = SourceVersion("v", 1, (Record(0, "K", {"v": "1"}), Record(20, "K", {"v": "2"})), (FIRST, SECOND), (CUSTOMER,))
COMMITTED = {"run-1": VERSION, "run-2": VERSION}
LEDGER = {run: [entry(VERSION)] for run in COMMITTED}
QUARANTINE = {run: [FIRST, SECOND, CUSTOMER] for run in COMMITTED}


def test_good_books_are_good():
    assert not books(COMMITTED, LEDGER, QUARANTINE)
    assert not books({}, {}, {})


@pytest.mark.parametrize(
    ("ledger", "expected"),
    [
        ([], Damage(lost=("run-2 in the ledger",))),
        ([entry(VERSION)] * 3, Damage(duplicated=("run-2 in the ledger",) * 2)),
        ([entry(VERSION) | {"rows_read": "5"}], Damage(altered=("run-2 in the ledger: rows_read is 5, not 4",))),
        ([entry(VERSION) | {"rows_loaded": "2"}], Damage(altered=("run-2 in the ledger: rows_loaded + rows_superseded is 3, not 2",))),
        ([entry(VERSION) | {"rows_quarantined": "0"}], Damage(altered=("run-2 in the ledger: rows_quarantined is 0, not 2",))),
    ],
)
def test_a_bad_ledger_is_found(ledger, expected):
    assert books(COMMITTED, LEDGER | {"run-2": ledger}, QUARANTINE) == expected


@pytest.mark.parametrize(
    ("quarantine", "expected"),
    [
        ([FIRST, CUSTOMER], Damage(lost=("run-2 in the quarantine: transactions at byte 80: amount.type",))),
        ([FIRST, FIRST, SECOND, CUSTOMER], Damage(duplicated=("run-2 in the quarantine: transactions at byte 40: amount.type",))),
        (
            [Rejection("transactions", 41, "type", "amount"), FIRST, SECOND, CUSTOMER],
            Damage(altered=("run-2 in the quarantine: transactions at byte 41: amount.type",)),
        ),
    ],
)
def test_a_bad_quarantine_is_found(quarantine, expected):
    assert books(COMMITTED, LEDGER, QUARANTINE | {"run-2": quarantine}) == expected


def test_a_run_that_was_not_committed_leaves_nothing():
    found = books({"run-1": VERSION}, LEDGER, QUARANTINE)
    assert (found.lost, found.duplicated) == ((), ())
    assert len(found.altered) == 1 + 3


def test_damage_adds_up_and_is_told_in_words():
    found = Damage(lost=("a",)) + Damage(duplicated=("b",)) + Damage(lost=("c",))
    assert str(found) == "2 lost\n  a\n  c\n1 duplicated\n  b\n0 altered"
