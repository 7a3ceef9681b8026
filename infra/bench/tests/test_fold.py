"""`make bench-fold` at a small size: the product's own statements on a real Postgres, and the arithmetic around them."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "infra" / "bench"), str(ROOT / "infra" / "local")]

from fold import options, rows, session, table  # noqa: E402  (found by the line above)
from fold.options import Options  # noqa: E402
from fold.ways import NAIVE, OURS, Outcome  # noqa: E402
from laptop.failure import Failure  # noqa: E402


def test_both_ways_are_timed_and_leave_the_same_rows(tmp_path: Path) -> None:
    kept: list[tuple[str, int]] = []
    report = session.measure(Options(staged=1_000, target=10_000, repetitions=1), tmp_path, lambda way, repetition, _: kept.append((way, repetition)))
    assert kept == [(OURS, 1), (NAIVE, 1)]
    # 9 of 991 keys twice; of the keys a quarter is new and a quarter says nothing new. The session has held it against the ledger.
    assert report.fates == rows.Fates(inserted=247, updated=496, unchanged=248, superseded=9)
    assert (report.rows, report.surplus) == (10_247, 9)
    assert {"fold", "delete_replaced", "insert_rows", "tally", "check_law", "insert_ledger", "commit"} <= report.seconds[OURS][0].keys()
    assert list(report.seconds[NAIVE][0]) == ["begin", "delete", "insert", "commit"]
    assert {file.name for file in tmp_path.iterdir()} == {"lock", "postgres.log"}


def test_a_difference_is_told() -> None:
    right = Outcome(rows=10, digest=1, surplus=0)
    assert table.difference({OURS: right, NAIVE: right._replace(surplus=2)}) is None
    assert "more than one row" in table.difference({OURS: right._replace(surplus=2), NAIVE: right})
    assert "differ" in table.difference({OURS: right, NAIVE: right._replace(digest=2)})


def test_the_table_has_the_medians_and_their_ratio() -> None:
    ours = [{"fold": 1.0, "begin": 0.01, "commit": 0.01}, {"fold": 3.0, "begin": 0.01, "commit": 0.03}, {"fold": 2.0, "begin": 0.01, "commit": 0.02}]
    assert table.markdown({OURS: ours, NAIVE: [{"insert": 1.015}]}).splitlines()[2:] == [
        "| fold | 2.00 | |",
        "| 2 shorter ones | 0.03 | |",
        "| insert | | 1.01 |",
        "| **the transaction** | **2.03** (2.00×) | **1.01** |",
    ]


def test_options_come_from_the_environment() -> None:
    assert options.read({"STAGED": "2_000", "TARGET": "5000", "REPS": ""}) == Options(2_000, 5_000, 3)
    for wrong, said in [({"STAGED": "many"}, "STAGED"), ({"STAGED": "10"}, "too few"), ({"TARGET": "10_000"}, "fewer than STAGED"), ({"REPS": "0"}, "REPS")]:
        with pytest.raises(Failure, match=said):
            options.read(wrong)
