import csv
import json
import sys
from pathlib import Path

import pytest

SAMPLES = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SAMPLES))

import expected  # noqa: E402  (found by the line above)
import generate  # noqa: E402


def make(folder: Path, *options: str) -> tuple[Path, Path]:
    generate.main([*options, "--out", str(folder)])
    return folder / "customers.csv", folder / "transactions.json"


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = make(tmp_path / "1", "--rows", "2000"), make(tmp_path / "2", "--rows", "2000")
    other = make(tmp_path / "3", "--rows", "2000", "--seed", "43")
    for a, b, c in zip(one, two, other, strict=True):
        assert a.read_bytes() == b.read_bytes() != c.read_bytes()


def test_the_committed_samples_are_what_the_generator_makes(tmp_path: Path) -> None:
    for made in make(tmp_path, "--rows", "300", "--customers", "50"):
        assert made.read_bytes() == (SAMPLES / made.name).read_bytes(), f"run: python3 samples/generate.py --rows 300 --customers 50 --out {SAMPLES}"


def test_both_formats_hold_the_same_objects(tmp_path: Path) -> None:
    _, array = make(tmp_path / "array", "--rows", "1000")
    _, lines = make(tmp_path / "ndjson", "--rows", "1000", "--format", "ndjson")
    objects = json.loads(array.read_text(encoding="utf-8"))
    assert len(objects) == 1000
    assert [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()] == objects


def test_the_csv_reads_back(tmp_path: Path) -> None:
    path, _ = make(tmp_path, "--rows", "10000")
    body = path.read_bytes()
    rows = read_csv(path)
    assert len(rows) == 500
    assert all(None not in row and None not in row.values() for row in rows), "every row has as many fields as the header"
    assert body.count(b"\r\n") == 501
    for column, mark in [("last_name", ", Jr."), ("first_name", '"'), ("city", "\n")]:
        assert any(mark in row[column] for row in rows), (column, mark)
    assert not body.decode().isascii()
    for column in ("email", "phone", "country", "signup_date"):
        assert any(not row[column] for row in rows), column
        assert any(row[column] != row[column].strip() for row in rows), column


def test_the_transactions_have_every_dirt(tmp_path: Path) -> None:
    _, path = make(tmp_path, "--rows", "10000")
    text = path.read_text(encoding="utf-8")
    rows = json.loads(text)

    def share(of) -> float:
        return sum(map(of, rows)) / len(rows)

    assert 0.03 < share(lambda row: isinstance(row.get("amount"), str)) < 0.10
    assert (
        0.005 < share(lambda row: isinstance(row.get("amount"), float) and row["amount"] < 0) + share(lambda row: str(row.get("amount")).startswith("-")) < 0.02
    )
    assert 0.02 < share(lambda row: (row.get("currency") or "EUR").strip() != (row.get("currency") or "EUR").strip().upper()) < 0.08
    assert 0.03 < share(lambda row: " " in (row.get("transaction_ts") or "").strip()) < 0.08
    assert 0.05 < share(lambda row: (row.get("transaction_ts") or "").strip()[-6:-5] in ("+", "-") and "T" in row["transaction_ts"]) < 0.15
    assert 0.02 < share(lambda row: "." in (row.get("transaction_ts") or "")) < 0.08
    for column in ("transaction_id", "customer_id", "amount", "currency", "product", "quantity", "status", "transaction_ts"):
        assert any(column not in row for row in rows) or any(row[column] is None for row in rows) or any(not str(row[column]).strip() for row in rows), column
    assert any(list(row)[0] != "transaction_id" and "transaction_id" in row for row in rows), "members in another order"
    assert "\\u" in text
    assert any("note" in row for row in rows)


@pytest.mark.parametrize("seed", ["1", "42", "7777"])
def test_the_truth_agrees_with_what_was_planted(tmp_path: Path, capsys: pytest.CaptureFixture, seed: str) -> None:
    customers, transactions = make(tmp_path, "--rows", "10000", "--seed", seed, "--truth")
    truth = json.loads((tmp_path / "expected.json").read_text())
    assert truth == expected.of_files(customers, transactions)

    planted: dict[str, int] = {}
    sections = capsys.readouterr().out.split(str(transactions))
    for line in sections[1].splitlines()[1:]:
        count, outcome = int(line.split()[0]), line[48:].strip()
        planted[outcome] = planted.get(outcome, 0) + count
    assert truth["quarantined_by_rule"] == {
        outcome.removeprefix("quarantined: "): count for outcome, count in sorted(planted.items()) if outcome.startswith("quarantined: ")
    }
    rows = truth["rows"]
    assert rows["superseded"] == sum(count for outcome, count in planted.items() if outcome.startswith("superseded"))
    assert rows["read"] == 10_000 == rows["loaded"] + rows["superseded"] + rows["quarantined"]
    assert 0.015 <= rows["quarantined"] / rows["read"] <= 0.025
    assert truth["matched"] + truth["unmatched"] == rows["loaded"]
    assert 100 <= truth["unmatched"] <= 400
    counted = truth["customers"]
    assert counted["read"] == 500 == counted["kept"] + counted["superseded"] + counted["quarantined"]
    assert counted["superseded"] == 10
    assert truth["customers_quarantined_by_rule"] == {"customer_id.required": 2, "signup_date.type": 3}


def test_tiny_files_have_as_many_rows_as_asked_for(tmp_path: Path) -> None:
    for rows in (1, 2, 7):
        customers, transactions = make(tmp_path, "--rows", str(rows))
        assert len(json.loads(transactions.read_text(encoding="utf-8"))) == rows
        assert len(read_csv(customers)) == 1


@pytest.mark.parametrize(
    ("record", "rule"),
    [
        ({}, "transaction_id.required"),
        ({"transaction_id": " "}, "transaction_id.required"),
        ({"transaction_id": "T1", "customer_id": "C1", "amount": "x", "currency": None}, "amount.type"),
        ({"transaction_id": "T1", "customer_id": "C1", "amount": "-1", "currency": None}, "amount.minimum"),
        ({"transaction_id": "T1", "customer_id": "C1", "amount": "1.234"}, "amount.type"),
        ({"transaction_id": "T1", "customer_id": "C1", "amount": "1.2300"}, "currency.required"),
        ({"transaction_id": "T1", "customer_id": "C1", "amount": 1, "currency": "EUR", "quantity": 2.5}, "quantity.type"),
        ({"transaction_id": "T1", "customer_id": "C1", "amount": 1, "currency": "EUR"}, "transaction_ts.required"),
        (
            {"transaction_id": "T1", "customer_id": "C1", "amount": 1, "currency": "EUR", "transaction_ts": "2024-02-30T00:00:00Z"},
            "transaction_ts.type",
        ),
    ],
)
def test_the_first_column_at_fault_names_the_rule(record: dict, rule: str) -> None:
    with pytest.raises(expected.Rejected, match=f"^{rule}$"):
        expected.clean_transaction(record)
