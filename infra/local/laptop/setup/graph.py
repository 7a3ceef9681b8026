"""Parts that are made side by side, each as soon as the parts it needs are there. Knows nothing of what a part is."""

import contextlib
import contextvars
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from laptop.live import Stay

_LOOK_SECONDS = 0.2
# For how long parts that were told to stop are waited for.
_STOP_SECONDS = 10.0

Facts = tuple[str, ...]


@dataclass(frozen=True)
class Part:
    name: str
    # What the user reads while it is being made.
    title: str
    make: Callable[[], None]
    # Names of the parts that must be there before.
    needs: tuple[str, ...] = ()
    # Whether it is there already. Asked when the parts it needs are there.
    stands: Callable[[], bool] = lambda: False
    # What is known of it while it is being made.
    facts: Callable[[], Facts] = tuple


@dataclass
class _Making:
    part: Part
    started: float
    seconds: float | None = None
    how: str = "left"
    error: BaseException | None = None

    def stay(self, now: float) -> Stay:
        if self.seconds is None:
            return Stay(self.part.title, "in", now - self.started, facts=self.part.facts())
        return Stay(self.part.title, self.how, self.seconds)


def startable(parts: Iterable[Part], begun: set[str], done: set[str]) -> list[Part]:
    """The parts that have not begun and whose needs are done, in their order."""
    return [part for part in parts if part.name not in begun and done.issuperset(part.needs)]


def make_all(parts: Sequence[Part], show: Callable[[list[Stay], bool], None], stop: Callable[[], None]) -> None:
    """Makes the parts that do not stand, in threads.

    `show` gets what is being made and what has been, and whether it is the last look. When a part fails, or the user stops, `stop` must make the others
    end soon; the first failure is raised once they have.
    """
    ended: queue.Queue[_Making] = queue.Queue()
    begun: set[str] = set()
    done: set[str] = set()
    makings: list[_Making] = []

    def work(making: _Making) -> None:
        try:
            making.part.make()
        except BaseException as error:
            making.error = error
        ended.put(making)

    def start(part: Part) -> None:
        making = _Making(part, time.monotonic())
        makings.append(making)
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(work, making), daemon=True, name=part.name).start()

    def look(last: bool = False) -> None:
        if makings:
            now = time.monotonic()
            show([making.stay(now) for making in makings], last)

    def wait_for_one(seconds: float) -> _Making:
        making = ended.get(timeout=seconds)
        making.seconds = time.monotonic() - making.started
        return making

    def running() -> int:
        return sum(making.seconds is None for making in makings)

    try:
        while len(done) < len(parts):
            for part in startable(parts, begun, done):
                begun.add(part.name)
                if part.stands():
                    done.add(part.name)
                else:
                    start(part)
            if running():
                look()
                try:
                    making = wait_for_one(_LOOK_SECONDS)
                except queue.Empty:
                    continue
                if making.error:
                    making.how = "failed"
                    raise making.error
                done.add(making.part.name)
            elif not startable(parts, begun, done) and len(done) < len(parts):
                raise AssertionError(f"parts that need each other, or one that there is not: {[part.name for part in parts if part.name not in begun]}")
    except BaseException:
        stop()
        patience = time.monotonic() + _STOP_SECONDS
        with contextlib.suppress(queue.Empty):
            while running():
                making = wait_for_one(max(0.0, patience - time.monotonic()))
                making.how = "stopped" if making.error else "left"
        raise
    finally:
        look(last=True)
