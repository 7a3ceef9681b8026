"""Runs to medians to Markdown. Pure: it reads and writes nothing."""

from statistics import median
from typing import NamedTuple

from bench.options import ENGINE, LIMIT, PEERS, PLAIN

OK = "ok"


class Case(NamedTuple):
    rows: int
    form: str
    threads: int


class Timing(NamedTuple):
    case: Case
    tool: str
    outcome: str
    cpu: float
    wall: float
    peak: float


class Figures(NamedTuple):
    cpu: float
    wall: float
    peak: float
    runs: int


# What came of the runs of one tool in one case: its medians, or the word why there are none.
Results = dict[tuple[Case, str], Figures | str]

MEASURES = {"cpu": "CPU seconds (user and system, all threads)", "wall": "Wall seconds", "peak": "Peak resident MiB"}


def medians(timings: list[Timing]) -> Results:
    results: Results = {}
    for key in dict.fromkeys((timing.case, timing.tool) for timing in timings):
        runs = [timing for timing in timings if (timing.case, timing.tool) == key]
        failed = [run.outcome for run in runs if run.outcome != OK]
        of = {measure: median(getattr(run, measure) for run in runs) for measure in MEASURES}
        results[key] = failed[0] if failed else Figures(**of, runs=len(runs))
    return results


def markdown(results: Results) -> str:
    tools = [tool for tool in (ENGINE, PLAIN, *PEERS) if any(tool == found for _, found in results)]
    parts = [_table(title, measure, results, tools) for measure, title in MEASURES.items()]
    return "\n\n".join(parts + _notes(results, tools))


def ratio(ours: Figures | str | None, theirs: Figures | str | None, measure: str) -> float | None:
    """Theirs ÷ ours; None where one of them has no figures."""
    if not isinstance(ours, Figures) or not isinstance(theirs, Figures) or getattr(ours, measure) <= 0:
        return None
    return getattr(theirs, measure) / getattr(ours, measure)


def growth(small: Figures | str | None, large: Figures | str | None, factor: float) -> float | None:
    """CPU per row of the large input ÷ that of the small one, which has `factor` times fewer rows."""
    found = ratio(small, large, "cpu")
    return None if found is None else found / factor


def _table(title: str, measure: str, results: Results, tools: list[str]) -> str:
    lines = [f"| {title} | form | threads | {' | '.join(tools)} |", "|---:|---|---:" + "|---:" * len(tools) + "|"]
    for case in _cases(results):
        cells = [_cell(results.get((case, ENGINE)), results.get((case, tool)), measure, tool) for tool in tools]
        lines.append(f"| {case.rows:,} rows | {case.form} | {case.threads} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(ours: Figures | str | None, found: Figures | str | None, measure: str, tool: str) -> str:
    if not isinstance(found, Figures):
        return found or "–"
    value = getattr(found, measure)
    text = f"{value:,.0f}" if measure == "peak" else f"{value:.2f}"
    times = None if tool == ENGINE else ratio(ours, found, measure)
    # What the profile costs is a few hundredths.
    shown = "" if times is None else f"{times:.3f}" if tool == PLAIN else f"{times:.1f}"
    return f"{text} ({shown}×)" if shown else text


def _notes(results: Results, tools: list[str]) -> list[str]:
    cases = _cases(results)
    small, large = min(case.rows for case in cases), max(case.rows for case in cases)
    few, many = min(case.threads for case in cases), max(case.threads for case in cases)
    notes = []
    if large > small:
        notes.append(f"CPU per row with {large:,} rows ÷ with {small:,} rows, {few} thread:")
        for form in dict.fromkeys(case.form for case in cases):
            pairs = {tool: [results.get((Case(rows, form, few), tool)) for rows in (small, large)] for tool in tools}
            notes.append(_line(form, {tool: growth(*pair, large / small) for tool, pair in pairs.items()}))
    if many > few:
        notes.append(f"Wall seconds of {few} thread ÷ of {many} threads:")
        for rows, form in dict.fromkeys((case.rows, case.form) for case in cases):
            found = {tool: [results.get((Case(rows, form, threads), tool)) for threads in (many, few)] for tool in tools}
            notes.append(_line(f"{rows:,} rows, {form}", {tool: ratio(*pair, "wall") for tool, pair in found.items()}))
    limits = {case: ratio(results.get((case, LIMIT)), results.get((case, ENGINE)), "cpu") for case in cases if (case, LIMIT) in results}
    if any(limits.values()):
        notes.append(f"CPU seconds of {ENGINE} ÷ of the bare parse of the same JSON by sonic-rs, built with the same flags:")
        for case, found in limits.items():
            notes.append(_line(f"{case.rows:,} rows, {case.form}, {case.threads} thread", {ENGINE: found}, results[case, LIMIT]))
    # A heading stands apart; the points below it form one list.
    return ["\n".join([line if line.startswith("- ") else f"\n{line}\n" for line in notes]).strip()] if notes else []


def _line(what: str, found: dict[str, float | None], limit: Figures | str | None = None) -> str:
    said = ", ".join(f"{tool} {value:.2f}" for tool, value in found.items() if value is not None) or "no figures"
    return f"- {what}: {said}" + (f" ({limit.cpu:.2f} s)" if isinstance(limit, Figures) else "")


def _cases(results: Results) -> list[Case]:
    return sorted({case for case, _ in results})
