"""AWS's JSON protocol over HTTP: a request names its operation in a header, `X-Amz-Target: Service.Operation`."""

import http.client
import json
import logging
import socket
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import urlsplit

from laptop.gateway import faults
from laptop.gateway.control import Control
from laptop.gateway.errors import ServiceError
from laptop.gateway.faults import Faults

log = logging.getLogger("gateway")

# They describe one connection, not the message; the second is set anew.
_OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}
_PASS_ON_SECONDS = 120


class Service(Protocol):
    OPERATIONS: dict[str, Callable[[Any, dict], dict]]
    PASSES_ON: bool  # what this service does not answer itself


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listener: int, services: dict[str, Service], faults: Faults, control: Control, passed_on_to: str) -> None:
        inherited = socket.socket(fileno=listener)
        super().__init__(inherited.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = inherited
        self.services, self.faults, self.control = services, faults, control
        self.passed_on_to = urlsplit(passed_on_to)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/health":
            return self._answer(200, b"{}", [("Content-Type", "application/json")])
        target = self.headers.get("X-Amz-Target", "")
        if not target and (answer := self.server.control.answer(self.command, self.path, body)):
            return self._answer_json(*answer)
        name, _, operation = target.partition(".")
        service = self.server.services.get(name)
        if service and operation in service.OPERATIONS:
            self.server.control.count(target)
            return self._carry_out(service, operation, body)
        if service and not service.PASSES_ON:
            return self._answer_json(400, {"__type": "UnknownOperationException", "message": f"the laptop's {name} has no {operation}"})
        return self._pass_on(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _handle

    def _carry_out(self, service: Service, operation: str, body: bytes) -> None:
        fault = self.server.faults.take(operation, faults.OF_THE_CONNECTION)
        if fault and fault.do == "refuse":
            return self._answer_json(fault["status"], ServiceError(fault["code"], fault["message"]).body)
        answer = _call(service, operation, body)
        if fault:
            self.close_connection = True
            return None
        return self._answer_json(*answer)

    def _pass_on(self, body: bytes) -> None:
        target = self.server.passed_on_to
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_THE_CONNECTION}
        connection = http.client.HTTPConnection(target.hostname, target.port, timeout=_PASS_ON_SECONDS)
        try:
            connection.request(self.command, self.path, body=body, headers=headers)
            answer = connection.getresponse()
            self._answer(answer.status, answer.read(), [(n, v) for n, v in answer.getheaders() if n.lower() not in _OF_THE_CONNECTION])
        except OSError as error:
            self._answer_json(502, {"__type": "BadGateway", "message": f"the emulator at {target.geturl()} does not answer: {error}"})
        finally:
            connection.close()

    def _answer_json(self, status: int, body: object) -> None:
        headers = [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-RequestId", str(uuid.uuid4()))]
        self._answer(status, json.dumps(body).encode(), headers)

    def _answer(self, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _call(service: Service, operation: str, body: bytes) -> tuple[int, dict]:
    try:
        return 200, service.OPERATIONS[operation](service, json.loads(body or b"{}"))
    except ServiceError as error:
        log.info("%s: %s", operation, error)
        return error.status, error.body
    except Exception as error:
        log.exception("%s failed", operation)
        return 500, {"__type": "InternalServiceException", "message": f"{type(error).__name__}: {error}"}
