"""Commands of the set-up. Each writes to the log of the part that it is run for, and all end at once when one part fails or the user stops."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from laptop import log_lines
from laptop.failure import Failure
from laptop.paths import SETUP_LOGS

_LINES_SHOWN = 12
_STOP_SECONDS = 5.0

_part: ContextVar[str] = ContextVar("part", default="others")
_running: set[subprocess.Popen] = set()
_stopped = False
_guard = threading.Lock()


@contextlib.contextmanager
def part(name: str) -> Iterator[None]:
    """What is run inside, in this thread, belongs to this part of the set-up. Its log starts empty."""
    token = _part.set(name)
    try:
        log().unlink(missing_ok=True)
        yield
    finally:
        _part.reset(token)


def log(name: str | None = None) -> Path:
    return SETUP_LOGS / f"{name or _part.get()}.log"


def run(*words: Path | str, **options) -> None:
    """Runs one command; its output goes to the log, whose end is shown when the command fails."""
    words = tuple(str(word) for word in words)
    output = log()
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("a") as file:
        file.write(f"$ {' '.join(words)}\n")
        file.flush()
        code = _run(words, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, **options)
    if code != 0:
        tail = "\n".join(log_lines.of(output)[-_LINES_SHOWN:])
        raise Failure("SetupFailed", f"`{_called(words)}` ended with exit code {code}:\n{tail}", [output])


def ask(*words: Path | str, **options) -> str:
    """What a command prints; nothing if it fails."""
    try:
        return subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, **options).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def stop_all() -> None:
    """Ends every command that runs, with its children; a command that a part would start after this fails."""
    global _stopped
    with _guard:
        _stopped = True
        running = list(_running)
    for process in running:
        _signal(process, signal.SIGTERM)
    for process in running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        _signal(process, signal.SIGKILL)


def _run(words: tuple[str, ...], **options) -> int:
    with _guard:
        if _stopped:
            raise Failure("SetupFailed", f"`{_called(words)}` was not started: the set-up is being stopped")
        # A process group of its own, so that its children can be ended with it.
        try:
            process = subprocess.Popen(words, start_new_session=True, **options)
        except FileNotFoundError as error:
            raise Failure("SetupFailed", f"there is no program `{error.filename}`; install it, or put it on the PATH") from error
        _running.add(process)
    try:
        return process.wait()
    finally:
        with _guard:
            _running.discard(process)


def _signal(process: subprocess.Popen, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _called(words: tuple[str, ...]) -> str:
    return " ".join([Path(words[0]).name, *words[1:2]])
