"""Measurements to medians to Markdown. Pure: it reads and writes nothing."""

from statistics import median

from fold.ways import NAIVE, OURS, Outcome

# One measurement: seconds by statement.
Seconds = dict[str, float]

_SHORT = 0.05  # statements below it are shown together


def medians(runs: list[Seconds]) -> Seconds:
    return {name: median(run[name] for run in runs) for name in runs[0]}


def total(runs: list[Seconds]) -> float:
    return median(sum(run.values()) for run in runs)


def markdown(measured: dict[str, list[Seconds]]) -> str:
    lines = ["| Statement | crosstally, s | naive, s |", "|---|---:|---:|"]
    for way, runs in measured.items():
        found = medians(runs)
        shown = {name: seconds for name, seconds in found.items() if seconds >= _SHORT}
        others = len(found) - len(shown)
        if others:
            shown[f"{others} shorter ones"] = sum(found.values()) - sum(shown.values())
        lines += [f"| {name} | {seconds:.2f} | |" if way == OURS else f"| {name} | | {seconds:.2f} |" for name, seconds in shown.items()]
    ours, naive = total(measured[OURS]), total(measured[NAIVE])
    lines.append(f"| **the transaction** | **{ours:.2f}** ({ours / naive:.2f}×) | **{naive:.2f}** |")
    return "\n".join(lines)


def difference(outcomes: dict[str, Outcome]) -> str | None:
    """What is wrong with what the two ways left, if anything is: of every key they must have the same row, and ours no other."""
    ours, naive = outcomes[OURS], outcomes[NAIVE]
    if ours.surplus:
        return f"{ours.surplus:,} keys have more than one row after the load"
    if (ours.rows, ours.digest) != (naive.rows, naive.digest):
        return f"the latest rows of {ours.rows:,} and {naive.rows:,} keys differ"
    return None
