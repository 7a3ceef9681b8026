"""The environment in which the tools run: the pinned parts come first, and caches that belong in a home folder stay in the checkout."""

import os
from pathlib import Path

from laptop.paths import CACHE, COMPILER_VENV, DATACONTRACT_VENV, HOME, LINT_NPM, LINT_VENV, NPM, SAM_VENV, VENV, ZIG_VENV
from laptop.setup import machine

REGION = "us-east-1"
ACCOUNT = "000000000000"


def of_tools() -> dict[str, str]:
    tools = machine.recall()
    return _with_folders([Path(tools["node"]).parent, Path(tools["java"]) / "bin"]) | {"JAVA_HOME": tools["java"]}


def of_compiler() -> dict[str, str]:
    """The same as far as it concerns cargo; the set-up compiles before it has all other tools."""
    return _with_folders([])


def _with_folders(of_machine: list[Path]) -> dict[str, str]:
    home = Path.home()
    # `python` is the stack's.
    folders = [venv / "bin" for venv in (VENV, SAM_VENV, COMPILER_VENV, DATACONTRACT_VENV, LINT_VENV)]
    folders += [*(npm / "node_modules" / ".bin" for npm in (NPM, LINT_NPM)), *of_machine]
    HOME.mkdir(parents=True, exist_ok=True)
    return {
        **os.environ,
        "PATH": ":".join([*map(str, folders), os.environ.get("PATH", os.defpath)]),
        # Where cargo-lambda finds zig.
        "CARGO_ZIGBUILD_PYTHON_PATH": str(ZIG_VENV / "bin" / "python"),
        # Rust's own folders stay where they are: the registry and the toolchains are the machine's.
        "CARGO_HOME": os.environ.get("CARGO_HOME", str(home / ".cargo")),
        "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(home / ".rustup")),
        "HOME": str(HOME),
        "XDG_CACHE_HOME": str(CACHE),
        "NODE_COMPILE_CACHE": str(CACHE / "node"),
        "SAM_CLI_TELEMETRY": "0",
    }


def of_aws(endpoint: str, gateway: str) -> dict[str, str]:
    """For everything that believes it talks to AWS. The emulator takes any key."""
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ENDPOINT_URL_GLUE": gateway,
        "AWS_ENDPOINT_URL_REDSHIFT_DATA": gateway,
        "AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS": gateway,
        "AWS_EC2_METADATA_DISABLED": "true",
        # Neither may lead a test to a real account.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def without_aws(environment: dict[str, str]) -> dict[str, str]:
    """What the user has set for real accounts (a profile, a session token, proxies for the emulators' addresses) must not reach the stack."""
    kept = {name: value for name, value in environment.items() if not name.startswith(("AWS_", "AZURE_"))}
    return kept | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
