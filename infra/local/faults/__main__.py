"""`make test-faults`: every scenario, then the rig turned on itself."""

import sys
import time

from laptop.inputs import Inputs
from laptop.session import ready

from faults import scenarios
from faults.arena import Arena, Relay
from faults.play import Result, play, report
from faults.scenarios import Scenario


def main() -> int:
    relay = Relay()
    wanted = sys.argv[1:]
    try:
        with ready("test-faults", Inputs(), relay) as session:
            arena = Arena(session, relay.proxy)
            results = [_shown(arena, scenario) for scenario in _chosen(scenarios.full(), wanted)]
            print("\nthe rig turned on itself: each guard off, so that there must be damage", flush=True)
            guarded = [_shown(arena, scenario) for scenario in _chosen(scenarios.guards(), wanted)]
    finally:
        relay.close()
    print(f"\n{report(results)}")
    blind = [result.scenario.guard for result in guarded if not result.damage]
    print(f"{'guards switched off, damage seen':<40}{f'{len(guarded) - len(blind)} of {len(guarded)}':>12}")
    bad = [result.scenario.name for result in results if not result.is_good]
    for name in bad:
        print(f"not good: {name}", file=sys.stderr)
    for guard in blind:
        print(f"nobody noticed that this guard was off: {guard}", file=sys.stderr)
    return 1 if bad or blind or not results else 0


def _chosen(found: list[Scenario], wanted: list[str]) -> list[Scenario]:
    return [scenario for scenario in found if not wanted or any(word in f"{scenario.mode}: {scenario.name}" for word in wanted)]


def _shown(arena: Arena, scenario: Scenario) -> Result:
    started = time.monotonic()
    result = play(arena, scenario)
    seconds = time.monotonic() - started
    judged = "ok" if result.is_good else "DAMAGE" if result.damage else "NOT GOOD"
    if scenario.guard:
        judged = "seen" if result.damage else "NOT SEEN"
    print(f"{judged:<9}{seconds:>6.1f} s  {scenario.mode:<7}{scenario.name:<60}{result.outcome}", flush=True)
    if result.error:
        print(f"{'':19}{result.error[:300]}", flush=True)
    if result.damage and not scenario.guard:
        print(result.damage, flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
