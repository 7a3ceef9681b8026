"""The short form of `make test-faults`: one fault of each kind, and each guard of the load switched off, so that the rig must see damage."""

from collections.abc import Iterator

import pytest
from faults import scenarios
from faults.arena import Arena, Relay
from faults.play import play
from faults.scenarios import Scenario
from world import World


@pytest.fixture(scope="module")
def arena(world: World, relay: Relay) -> Iterator[Arena]:
    world.seed()
    arena = Arena(world.session, relay.proxy)
    yield arena
    arena.calm()


def named(scenario: Scenario) -> str:
    return f"{scenario.mode}: {scenario.name}"


@pytest.mark.parametrize("scenario", scenarios.short(), ids=named)
def test_no_row_is_lost_duplicated_or_altered(arena: Arena, scenario: Scenario) -> None:
    result = play(arena, scenario)
    assert result.fired == result.injected
    assert not result.damage, str(result.damage)
    assert result.outcome == "unaided", result.error


@pytest.mark.parametrize("scenario", scenarios.guards(), ids=named)
def test_a_guard_that_is_off_is_noticed(arena: Arena, scenario: Scenario) -> None:
    result = play(arena, scenario)
    assert result.fired == result.injected
    assert result.damage
