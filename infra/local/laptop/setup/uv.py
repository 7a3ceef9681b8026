"""uv, which installs the Python packages. pip fetches it once, in the pinned version; uv then asks the same index that pip is set up for."""

import ast
import functools
import importlib.util
import os
import shutil
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from laptop.failure import Failure
from laptop.paths import CACHE, LOCAL_FOLDER, UV
from laptop.setup import child, stamp

PROGRAM = UV / "bin" / "uv"
_LOCK = LOCAL_FOLDER / "requirements-uv.lock"

# pip's settings, and what uv calls the same. Values of several words are separated by blanks there and by the given sign here.
_SAME_SETTING = {
    "index-url": ("UV_DEFAULT_INDEX", None),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", None),
    "client-cert": ("SSL_CLIENT_CERT", None),
    "proxy": ("ALL_PROXY", None),
    "default-timeout": ("UV_HTTP_TIMEOUT", None),
    "timeout": ("UV_HTTP_TIMEOUT", None),
}
# Sections of pip's configuration. A later section overrides an earlier one.
_SECTIONS = ("global", "download", "install", ":env:")

_once = threading.Lock()


def stands() -> bool:
    return stamp.stands(PROGRAM, _made_from())


def ensure() -> None:
    stamp.ensure(PROGRAM, _made_from(), _fetch)


def run(*words: Path | str) -> None:
    child.run(PROGRAM, *words, env=_environment())


def settings_of_pip(listed: str) -> dict[str, str]:
    """What `pip config list` says, as uv takes it: an index of the user's own stays the one that is asked."""
    found: dict[str, dict[str, str]] = {}
    for line in listed.splitlines():
        name, equals, value = line.partition("=")
        section, dot, key = name.partition(".")
        if equals and dot and section in _SECTIONS and key in _SAME_SETTING:
            found.setdefault(section, {})[key] = _unquoted(value)
    settings = {}
    for section in _SECTIONS:
        for key, value in found.get(section, {}).items():
            variable, separator = _SAME_SETTING[key]
            settings[variable] = separator.join(value.split()) if separator else value
    if "UV_INDEX" in settings:
        # uv then takes the pinned version from whichever index has it, as pip does. The lock's hashes prove that it is the right file.
        settings["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return settings


def variables(of_user: Mapping[str, str], of_pip: Mapping[str, str]) -> dict[str, str]:
    """uv's environment: what the user has set for uv wins over what is set for pip, and nothing is written outside the checkout."""
    inherited = {name: value for name, value in of_user.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    # Compiled once, as pip does: a program like sam otherwise compiles what it imports at every start, wherever Python may not write beside it.
    ours = {"UV_CACHE_DIR": str(CACHE / "uv"), "UV_COMPILE_BYTECODE": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
    return {**of_pip, **inherited, **ours}


def _environment() -> dict[str, str]:
    with _once:
        return _environment_once()


@functools.cache
def _environment_once() -> dict[str, str]:
    pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else None
    return variables(os.environ, settings_of_pip(child.ask(*pip, "config", "list")) if pip else {})


def _fetch() -> None:
    shutil.rmtree(UV, ignore_errors=True)
    options = ["--quiet", "--no-deps", "--target", UV, "--require-hashes", "--only-binary", ":all:", "-r", _LOCK]
    environment = dict(
        os.environ, PIP_CACHE_DIR=str(CACHE / "pip"), PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PIP_USER="0", PIP_ROOT_USER_ACTION="ignore"
    )
    environment.pop("PYTHONPATH", None)
    if importlib.util.find_spec("pip"):
        child.run(sys.executable, "-m", "pip", "install", *options, env=environment)
    elif other := shutil.which("uv"):
        child.run(other, "pip", "install", "--python", sys.executable, *options, env=variables(os.environ, {}))
    elif importlib.util.find_spec("ensurepip"):
        scratch = CACHE / "pip-venv"
        child.run(sys.executable, "-m", "venv", "--clear", scratch)
        child.run(scratch / "bin" / "python", "-m", "pip", "install", *options, env=environment)
        shutil.rmtree(scratch)
    else:
        raise Failure("SetupFailed", f"{sys.executable} has neither pip nor venv, and there is no uv; install one of them (Debian: apt install python3-venv)")


def _made_from() -> list[Path | str]:
    return [sys.version, _LOCK]


def _unquoted(value: str) -> str:
    try:
        return str(ast.literal_eval(value))
    except (ValueError, SyntaxError):
        return value
