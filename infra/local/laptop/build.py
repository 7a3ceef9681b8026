"""One call of cargo that compiles the three functions, after which `sam build` finds everything done."""

import fcntl
import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from laptop import environment, log_lines
from laptop.failure import Failure
from laptop.paths import LOCAL_FOLDER, ROOT, STATE
from laptop.setup import child

FUNCTIONS = ("fetch-azure-to-s3", "merge-and-clean", "trigger-glue-load")

# How a laptop compiles the functions: sooner done, and slower than what is deployed to AWS. Its cargo profile is in cargo-laptop.toml beside it.
_PROFILE = LOCAL_FOLDER / "cargo-lambda.toml"

# More jobs than processors. Cargo starts last what few crates wait for, and so the largest, aws-sdk-glue, which one crate waits for; with more
# jobs it starts as soon as it can, and the other processor is not idle while it ends.
_JOBS = (os.cpu_count() or 1) + 4

_PROGRESS = re.compile(r"Building \[[^\]]*\] (\d+)/(\d+)")
_TAIL_BYTES = 4096


def command() -> list[str]:
    """The words of `sam build` for one function, for all of them."""
    arm = ["--arm64"] if architecture() == "arm64" else []
    return ["cargo", "lambda", "build", "--release", *arm, *(word for name in FUNCTIONS for word in ("--bin", name))]


def fetch_command() -> list[str]:
    """Downloads the crates, which needs no compiler."""
    machine = "aarch64" if architecture() == "arm64" else "x86_64"
    return ["cargo", "fetch", "--target", f"{machine}-unknown-linux-gnu"]


def variables(of_tools: dict[str, str]) -> dict[str, str]:
    """The environment of cargo and of `sam build`. It must be the same for both: cargo compiles again what was compiled otherwise."""
    return of_tools | {"CARGO_LAMBDA_GLOBAL": str(_PROFILE), "CARGO_BUILD_JOBS": str(_JOBS)}


def telling(variables: dict[str, str]) -> dict[str, str]:
    """Makes cargo say how far it is also where its output is no terminal."""
    return variables | {"CARGO_TERM_PROGRESS_WHEN": "always", "CARGO_TERM_PROGRESS_WIDTH": "80", "CARGO_TERM_COLOR": "never"}


def facts(log: Path) -> tuple[str, ...]:
    """How far cargo is, by its own word in its log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            done = progress(file.read().decode(errors="replace"))
    except FileNotFoundError:
        return ()
    return (f"crates compiled: {done[0]} of {done[1]}",) if done else ()


def progress(said: str) -> tuple[int, int] | None:
    """So many of so many crates (their build scripts are counted, too), as cargo said it last."""
    found = _PROGRESS.findall(said)
    return (int(found[-1][0]), int(found[-1][1])) if found else None


def stands() -> bool:
    """Whether the functions have been compiled before. Whether they are up to date is for cargo to say."""
    return all((_target() / "lambda" / name / "bootstrap").exists() for name in FUNCTIONS)


@contextmanager
def alone() -> Iterator[None]:
    """Two builds would write the same binaries: the second waits for the first."""
    with (STATE / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def compile_in_setup() -> None:
    """As a part of the set-up, while other parts are being made."""
    with alone():
        try:
            child.run(*command(), cwd=ROOT, env=telling(variables(environment.of_compiler())))
        except Failure as failure:
            if not failure.logs:
                raise
            said = log_lines.most_telling(log_lines.of(child.log()))
            raise Failure("BuildFailed", f"the functions do not compile: {said}", failure.logs) from failure
        finally:
            if child.log().exists():
                log_lines.tidy(child.log())


def architecture() -> str:
    return "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"


def _target() -> Path:
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
