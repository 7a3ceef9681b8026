"""The supervisor: starts the servers, knows their addresses, stops them, and leaves nothing behind but logs."""

import collections
import contextlib
import json
import os
import shutil
import signal
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from laptop import clients, components, environment, ports, postgres
from laptop.failure import Failure
from laptop.paths import LOGS, ROOT, STACKS
from laptop.postgres import Warehouse
from laptop.processes import Component

_LOGS_KEPT = 20

# From the warehouse as it is to the one that the stack's own parts are told of.
Relay = Callable[[Warehouse], Warehouse]


@dataclass(frozen=True)
class Endpoints:
    aws: str
    gateway: str
    azure: str


class Servers(ABC):
    """The servers of a stack, whoever started them: what one needs to talk to them."""

    endpoints: Endpoints
    warehouse: Warehouse
    logs: Path

    @abstractmethod
    def check(self) -> None:
        """Raises if they no longer run."""

    def client(self, service: str):
        at = self.endpoints.gateway if service in ("glue", "redshift-data", "redshift-serverless") else self.endpoints.aws
        return clients.client(service, at)

    def aws_environment(self) -> dict[str, str]:
        return environment.of_aws(self.endpoints.aws, self.endpoints.gateway)

    def data_api_calls(self) -> collections.Counter[str]:
        """How often each operation of the Redshift Data API has been called so far, by anybody."""
        with urllib.request.urlopen(f"{self.endpoints.gateway}/calls", timeout=10) as answer:
            calls = json.load(answer)
        return collections.Counter({name.removeprefix("RedshiftData."): count for name, count in calls.items() if name.startswith("RedshiftData.")})

    def keep_function_logs(self) -> None:
        """The functions' logs are in the emulated CloudWatch, and would go with it."""
        client = self.client("logs")
        for group in client.describe_log_groups()["logGroups"]:
            name = group["logGroupName"]
            pages = client.get_paginator("filter_log_events").paginate(logGroupName=name)
            lines = [event["message"].rstrip("\n") for page in pages for event in page["events"]]
            if lines:
                (self.logs / f"{name.strip('/').replace('/', '-')}.log").write_text("\n".join(lines) + "\n")


class Stack(Servers):
    """Used with `with`: whatever was started inside has stopped afterwards.

    `wait_scale` multiplies every wait and retry interval of its state machines. Only tests give one: a run that somebody looks at waits as it does on AWS.
    """

    def __init__(self, command: str, wait_scale: float = 1.0) -> None:
        self.name = f"{command}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
        self.logs = LOGS / self.name
        self.folder = STACKS / self.name
        self._wait_scale = wait_scale
        self._components: list[Component] = []
        self._commands: list[Component] = []
        self._stops = False

    def __enter__(self) -> "Stack":
        _sweep()
        self.logs.mkdir(parents=True)
        self.folder.mkdir(parents=True)
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self, relay: Relay = lambda warehouse: warehouse) -> None:
        """Starts the servers; they answer when this returns. `relay` names the place where the stack is to reach its warehouse, if it is another."""
        database, self.warehouse = postgres.start(self.logs, self.folder / "postgres")
        self._components.append(database)
        self.relayed_warehouse = relay(self.warehouse)
        blobs, azure_port = components.start_azure(self.logs, self._scratch("azurite"))
        self._components.append(blobs)
        with ports.listen() as listener:
            gateway = f"http://127.0.0.1:{listener.getsockname()[1]}"
            cloud, aws = components.start_aws(self.logs, self._scratch("ministack"), gateway, self._wait_scale)
            self._components.append(cloud)
            self.endpoints = Endpoints(aws, gateway, f"http://127.0.0.1:{azure_port}")
            self._components.append(components.start_gateway(listener, self.logs, self._scratch("gateway"), aws, self.relayed_warehouse))

    def stop(self) -> None:
        self._stops = True
        # Once the stopping has begun, a second Ctrl-C must not stop the stopping.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with contextlib.suppress(ValueError):  # not in the main thread
                signal.signal(number, signal.SIG_IGN)
        if hasattr(self, "endpoints"):
            with contextlib.suppress(Exception):
                self.keep_function_logs()
        for process in [*self._commands, *reversed(self._components)]:
            process.stop()
        remove(self.folder)

    def launch(self, name: str, command: list[str | Path], variables: dict[str, str]) -> Component:
        """Starts a command of the repository that ends by itself, and with the stack at the latest; so do its temporary files."""
        if self._stops:
            raise Failure("StackFailed", f"`{name}` was not started: the stack is being stopped")
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        log = self.logs / f"{name.replace(' ', '-')}.log"
        self._commands.append(Component(name, log, command, cwd=ROOT, env=variables | {"TMPDIR": str(scratch)}))
        return self._commands[-1]

    def check(self) -> None:
        for component in self._components:
            if not component.runs():
                raise Failure("StackFailed", f"{component.name} has stopped: {component.last_words()}", [component.log])

    def _scratch(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder


def remove(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree((folder / "warehouse-folder").read_text(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def shown(path: Path) -> str:
    """A path as the user would type it."""
    return os.path.relpath(path) if path.is_relative_to(ROOT) else str(path)


def _sweep() -> None:
    """Removes what killed stacks left behind, and old logs of those that no longer run."""
    for folder in STACKS.glob("*"):
        if not _alive(_process_of(folder)):
            remove(folder)
    ended = (folder for folder in LOGS.glob("*-*-*-*") if folder.is_dir() and not _alive(_process_of(folder)))
    logs = sorted(ended, key=lambda folder: folder.stat().st_mtime)
    for folder in logs[:-_LOGS_KEPT]:
        shutil.rmtree(folder, ignore_errors=True)


def _process_of(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
