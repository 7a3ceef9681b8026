"""What every `make bench…` shares: its options from the environment, and how it ends."""

import sys
from collections.abc import Callable, Mapping, Sequence

from laptop.failure import Failure


def whole_number(environment: Mapping[str, str], name: str, default: str) -> int:
    given = environment.get(name) or default
    try:
        found = int(given.replace("_", ""))
    except ValueError:
        found = 0
    if found <= 0:
        raise Failure("InputInvalid", f"{name}: give a whole number above 0, not `{given}`")
    return found


def words(environment: Mapping[str, str], name: str, known: Sequence[str]) -> list[str]:
    """Some of the known words, in the order given, each once; all of them when none is given."""
    given = (environment.get(name) or " ".join(known)).split()
    for word in given:
        if word not in known:
            raise Failure("InputInvalid", f"{name}: there is no `{word}`; known are {', '.join(known)}")
    return list(dict.fromkeys(given))


def carry_out(main: Callable[[], None]) -> None:
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
