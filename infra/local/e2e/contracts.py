"""The shipped contract, changed in one place."""

from laptop import seed
from laptop.execution import Execution
from laptop.paths import ROOT
from world import World

SHIPPED = (ROOT / "contract.odcs.yaml").read_text()


def without(column: str) -> str:
    """The contract without that column of the target."""
    kept = [line for line in SHIPPED.splitlines() if not (f"name: {column}," in line and "transformSourceObjects" in line)]
    assert len(kept) == len(SHIPPED.splitlines()) - 1
    return "\n".join(kept) + "\n"


def replaced(old: str, new: str, contract: str = SHIPPED) -> str:
    assert contract.count(old) == 1, old
    return contract.replace(old, new)


def load(world: World, contract: str, **given) -> Execution:
    """A run under this contract; what is given is its input."""
    world.put_object(seed.CONTRACT_KEY, contract.encode())
    return world.run(**given)
