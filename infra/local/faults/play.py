"""Plays a scenario and judges it by the table and the books alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from laptop.execution import Execution

from faults.arena import Arena
from faults.model import Damage
from faults.scenarios import Scenario
from faults.steps import StepFailed

Outcome = Literal["unaided", "redriven", "stuck"]


@dataclass(frozen=True)
class Result:
    scenario: Scenario
    injected: int
    fired: int
    # How the run that met the faults came to its end.
    outcome: Outcome
    # What it failed with, before it was redriven.
    error: str | None
    damage: Damage

    @property
    def is_good(self) -> bool:
        return self.outcome != "stuck" and self.fired >= self.injected and not self.damage


def play(arena: Arena, scenario: Scenario) -> Result:
    first, second, third = arena.versions
    rules = scenario.rules(arena)
    arena.empty()
    arena.load_by("direct")
    found = _must_succeed(arena.run(first))
    if scenario.order == "older last":
        older = arena.pin(second)
        found += _must_succeed(arena.run(third))
        arena.load_by(scenario.mode)
        with arena.faults(rules, scenario.script):
            outcome, error, after = _load_pinned(arena, older)
    elif scenario.order in ("the same at once", "another at once"):
        arena.load_by(scenario.mode)
        with arena.faults(rules, scenario.script):
            outcome, error, after = _at_once(arena, scenario)
    else:
        arena.load_by(scenario.mode)
        with arena.faults(rules, scenario.script):
            ended = arena.run(second)
        outcome, error, after = _recovered(arena, ended)
        arena.load_by("direct")
        found += _must_succeed(arena.run(third))
    found += after + arena.damage()
    return Result(scenario, len(arena.fired), sum(fired > 0 for fired in arena.fired), outcome, error, found)


def _must_succeed(ended: Execution) -> Damage:
    """A run without faults."""
    return Damage() if ended.status == "SUCCEEDED" else Damage(lost=(f"the run {ended.name}, which met no fault, failed: {ended.error}",))


def _recovered(arena: Arena, ended: Execution) -> tuple[Outcome, str | None, Damage]:
    if ended.status == "SUCCEEDED":
        return "unaided", None, Damage()
    return _redriven(arena, ended.name, f"{ended.error['name']}: {ended.error['message']}")


def _load_pinned(arena: Arena, run_id: str) -> tuple[Outcome, str | None, Damage]:
    try:
        arena.steps.start(run_id)
        arena.steps.finish(run_id)
    except StepFailed as failed:
        return _redriven(arena, run_id, str(failed))
    return "unaided", None, Damage()


def _redriven(arena: Arena, run_id: str, error: str) -> tuple[Outcome, str, Damage]:
    """A run that failed has left the table and the books as they were, or as they are to be; nothing in between. Then it is redriven."""
    arena.calm()
    committed = dict(arena.committed)
    if not arena.is_in_the_ledger(run_id):
        del committed[run_id]
    damage = arena.damage(committed)
    try:
        arena.steps.start(run_id, redrives=1)
        arena.steps.finish(run_id, redrives=1)
    except StepFailed as failed:
        return "stuck", f"{error}; after the redrive: {failed}", damage
    return "redriven", error, damage


def _at_once(arena: Arena, scenario: Scenario) -> tuple[Outcome, str | None, Damage]:
    _, second, third = arena.versions
    arena.upload(second)
    started = [arena.start(second)]
    if scenario.order == "another at once":
        while "MergeAndClean" not in _entered(arena, started[0]):
            pass
        arena.upload(third)
        started.append(arena.start(third))
    else:
        started.append(arena.start(second))
    ended = [arena.wait(running) for running in started]
    judged = [_recovered(arena, execution) for execution in ended]
    worst = max(judged, key=lambda result: ("unaided", "redriven", "stuck").index(result[0]))
    return worst[0], worst[1], sum((damage for *_, damage in judged), Damage())


def _entered(arena: Arena, running: Execution) -> set[str]:
    history = arena.stack.client("stepfunctions").get_execution_history(executionArn=running.arn, maxResults=1000)["events"]
    return {event["stateEnteredEventDetails"]["name"] for event in history if "stateEnteredEventDetails" in event}


def report(results: Iterable[Result]) -> str:
    """The sum over scenarios, as it is printed."""
    results = list(results)
    count = {outcome: sum(result.outcome == outcome for result in results) for outcome in ("unaided", "redriven", "stuck")}
    damage = sum((result.damage for result in results), Damage())
    lines = {
        "scenarios": len(results),
        "faults injected": sum(result.injected for result in results),
        "faults fired": sum(result.fired for result in results),
        "recovered unaided": count["unaided"],
        "failed cleanly, then recovered": count["redriven"],
        "did not recover": count["stuck"],
    }
    rows = f"{len(damage.lost)}, {len(damage.duplicated)}, {len(damage.altered)}"
    return "\n".join(f"{name:<40}{value:>12}" for name, value in lines.items()) + f"\n{'rows lost, duplicated, altered':<40}{rows:>12}"
