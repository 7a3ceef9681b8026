"""The other servers of the stack: how each is started and how one sees that it is ready."""

import contextlib
import socket
import sys
import urllib.request
from pathlib import Path

from laptop import environment
from laptop.paths import LOCAL_FOLDER, NPM
from laptop.postgres import Warehouse
from laptop.processes import READY_SECONDS, Component, answers, start_on_a_free_port
from laptop.setup import machine


def start_azure(logs: Path, scratch: Path) -> tuple[Component, int]:
    main = NPM / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent", "--blobHost", "127.0.0.1"]

    def start(port: int) -> Component:
        command = [machine.recall()["node"], main, *options, "--blobPort", str(port)]
        return Component("azurite", logs / "azurite.log", command, cwd=scratch, env=environment.of_tools() | {"TMPDIR": str(scratch)})

    return start_on_a_free_port(start, answers)


def start_aws(logs: Path, scratch: Path, gateway: str, wait_scale: float = 1.0) -> tuple[Component, str]:
    """`wait_scale` multiplies the seconds of Wait states and the intervals of retries."""

    def start(port: int) -> Component:
        endpoint = f"http://127.0.0.1:{port}"
        return Component(
            "ministack",
            logs / "ministack.log",
            [sys.executable, "-m", "laptop.emulator"],
            cwd=scratch,
            env={
                **environment.without_aws(environment.of_tools()),
                **environment.of_aws(endpoint, gateway),  # it hands these to the Lambda functions
                "GATEWAY_PORT": str(port),
                "BIND_HOST": "127.0.0.1",
                "TMPDIR": str(scratch),
                "IOT_MTLS_ENABLED": "0",  # else it opens a port of its own
                "SFTP_ENABLED": "0",
                "DOCKER_HOST": "unix:///nonexistent",  # it must not reach for a Docker that happens to be there
                "RUST_LOG": "info",
                "PYTHONPATH": str(LOCAL_FOLDER),  # whoever starts it may have a relative one, and it runs in a folder of its own
                "SFN_WAIT_SCALE": str(wait_scale),
            },
        )

    component, port = start_on_a_free_port(start, lambda port: _says_ok(f"http://127.0.0.1:{port}/_ministack/health"))
    return component, f"http://127.0.0.1:{port}"


def start_gateway(listener: socket.socket, logs: Path, scratch: Path, aws: str, warehouse: Warehouse) -> Component:
    port = listener.getsockname()[1]
    gateway = f"http://127.0.0.1:{port}"
    component = Component(
        "gateway",
        logs / "gateway.log",
        [sys.executable, "-m", "laptop.gateway", "--socket", str(listener.fileno()), "--warehouse", f"127.0.0.1:{warehouse.port}/{warehouse.database}"]
        + ["--folder", scratch, "--logs", logs],
        pass_fds=[listener.fileno()],
        env=environment.without_aws(environment.of_tools()) | environment.of_aws(aws, gateway) | {"TMPDIR": str(scratch)},
    )
    component.wait_until(lambda: _says_ok(f"{gateway}/health"), READY_SECONDS)
    return component


def _says_ok(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
        return answer.status == 200
    return False
