"""The pure parts of `make bench`; they need none of the tools it compares."""

import json
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "infra" / "bench"), str(ROOT / "infra" / "local")]

from bench import equality, inputs, measure, options, table  # noqa: E402  (found by the line above)
from bench.table import Case, Figures, Timing  # noqa: E402
from laptop.failure import Failure  # noqa: E402

SMALL, LARGE = Case(1_000_000, "array", 1), Case(10_000_000, "array", 1)


def timings(case: Case, tool: str, *cpu_seconds: float) -> list[Timing]:
    return [Timing(case, tool, "ok", cpu, cpu * 2, cpu * 100) for cpu in cpu_seconds]


def test_medians_are_taken_per_measure_and_a_failed_run_has_none() -> None:
    broken = Timing(LARGE, "pandas", "out of memory", 0, 0, 0)
    found = table.medians([*timings(SMALL, "duckdb", 3.0, 1.0, 2.0), *timings(LARGE, "pandas", 9.0), broken])
    assert found == {(SMALL, "duckdb"): Figures(cpu=2.0, wall=4.0, peak=200.0, runs=3), (LARGE, "pandas"): "out of memory"}


def test_ratios_need_figures_on_both_sides() -> None:
    one, other = Figures(2.0, 4.0, 100.0, 3), Figures(5.0, 2.0, 400.0, 3)
    assert table.ratio(one, other, "cpu") == 2.5
    assert table.ratio(one, other, "wall") == 0.5
    assert table.growth(one, other, 2) == 1.25
    for ours, theirs in [(None, other), (one, None), (one, "out of memory"), (Figures(0.0, 1.0, 1.0, 1), other)]:
        assert table.ratio(ours, theirs, "cpu") is None


def test_the_tables_hold_every_case_against_the_engine() -> None:
    many = SMALL._replace(threads=2)
    runs = [
        *timings(SMALL, "crosstally", 0.5), *timings(SMALL, "duckdb", 2.5), *timings(SMALL, "parse_only", 0.25),
        *timings(many, "crosstally", 0.6), *timings(many, "duckdb", 3.0),
        *timings(LARGE, "crosstally", 5.5), Timing(LARGE, "duckdb", "out of memory", 0, 0, 0),
    ]  # fmt: skip
    lines = table.markdown(table.medians(runs)).splitlines()
    assert lines[:5] == [
        "| CPU seconds (user and system, all threads) | form | threads | crosstally | duckdb |",
        "|---:|---|---:|---:|---:|",
        "| 1,000,000 rows | array | 1 | 0.50 | 2.50 (5.0×) |",
        "| 1,000,000 rows | array | 2 | 0.60 | 3.00 (5.0×) |",
        "| 10,000,000 rows | array | 1 | 5.50 | out of memory |",
    ]
    assert "| 1,000,000 rows | array | 1 | 50 | 250 (5.0×) |" in lines
    assert "- array: crosstally 1.10" in lines  # CPU per row, large ÷ small
    assert "- 1,000,000 rows, array: crosstally 0.83, duckdb 0.83" in lines  # wall, one thread ÷ two
    assert "- 1,000,000 rows, array, 1 thread: crosstally 2.00 (0.25 s)" in lines  # ÷ bare parse


def test_without_the_engine_there_are_no_ratios() -> None:
    assert "| 1,000,000 rows | array | 1 | 2.00 |" in table.markdown(table.medians(timings(SMALL, "polars", 2.0)))


@pytest.mark.parametrize("chunk_bytes", [1, 2, 5, 8, 9, 1 << 20])
def test_an_array_has_the_records_of_its_lines(tmp_path: Path, chunk_bytes: int) -> None:
    records = [{"a": 1}, {"a": "é"}, {}]
    lines, array = tmp_path / "lines", tmp_path / "array"
    lines.write_text("".join(json.dumps(record) + "\n" for record in records))
    inputs.write_array(lines, array, chunk_bytes)
    assert json.loads(array.read_text()) == records


def test_reports_are_compared_as_exact_numbers() -> None:
    one = {"read": 3, "clean": 2, "quarantined": 1, "matched": 2, "sums": {"amount": "1234567890123456.70", "quantity": "5"}}
    same = {**one, "sums": {"amount": "1234567890123456.7", "quantity": 5}}
    assert equality.of_reports(one, same) == []
    other = {**one, "clean": 1, "sums": {"amount": "1234567890123456.71", "quantity": None}}
    assert equality.of_reports(one, other) == ["clean: 2 and 1", "amount: 1234567890123456.70 and 1234567890123456.71", "quantity: 5 and None"]
    assert equality.of_reports({}, {}), "nothing said is nothing shown"


def test_options_come_from_the_environment() -> None:
    chosen = options.read({"SIZES": "1000 2_000 3000", "REPS": "3 1", "TOOLS": "crosstally duckdb", "FORMS": "ndjson", "THREADS": ""}, processors=2)
    assert chosen.sizes == [1000, 2000, 3000]
    assert chosen.repetitions == {1000: 3, 2000: 1, 3000: 1}
    assert (chosen.tools, chosen.forms, chosen.threads) == (["crosstally", "duckdb"], ["ndjson"], [1, 2])
    assert options.read({}, processors=1).threads == [1]
    for wrong, said in [({"TOOLS": "spark"}, "there is no `spark`"), ({"SIZES": "many"}, "SIZES"), ({"REPS": "0"}, "REPS"), ({"THREADS": "4"}, "4 threads")]:
        with pytest.raises(Failure, match=said):
            options.read(wrong, processors=2)


@pytest.mark.skipif(sys.platform != "linux", reason="pins processors and reads /proc")
def test_a_run_is_measured_and_held_to_its_limits(tmp_path: Path) -> None:
    def run(program: str, limit_gib: float = 1, timeout_seconds: float = 60) -> measure.Run:
        return measure.run([sys.executable, "-c", program], tmp_path, 1, limit_gib, timeout_seconds)

    one = run("import os; print('noise'); print('{\"processors\": %d}' % len(os.sched_getaffinity(0)))")
    assert (one.outcome, one.report) == ("ok", {"processors": 1})
    assert 0 < one.cpu_seconds <= one.wall_seconds + 0.1 and one.peak_mib > 1
    assert run("import time; kept = b'x' * (200 << 20); time.sleep(30)", limit_gib=0.1).outcome == "out of memory"
    assert run("import time; time.sleep(30)", timeout_seconds=0.1).outcome == "too long"
    assert run("raise MemoryError").outcome == "out of memory"
    failed = run("raise SystemExit('no such column')")
    assert failed.outcome == "failed" and "no such column" in failed.log
    assert run("print('not the line')").outcome == "failed"
    assert os.listdir(tmp_path) == ["log"]
