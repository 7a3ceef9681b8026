"""The function as Lambda runs it: its own binary, under the smallest Runtime API there is, for one invocation a process.

Source: "Using the Lambda runtime API for custom runtimes", AWS Lambda Developer Guide.
"""

import itertools
import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from laptop import environment
from laptop.failure import Failure
from laptop.paths import ROOT

from fetch.stores import CUSTOMERS_KEY, SECRET, Place

_NAME = "fetch-azure-to-s3"
# It waits for the next invocation for as long as it lives; when the Runtime API is gone, it ends with this.
ENDS_WITH = 1
SECONDS = 900  # what Lambda gives at most
_SPLIT_BYTES = 256 << 20  # the template's default
_runs = itertools.count(1)


def ensure() -> str:
    """The function as ops deploy it: compiled with the release profile of Cargo.toml, which `make run` trades for a quicker build."""
    if subprocess.run(["cargo", "build", "--release", "--locked", "--bin", _NAME], cwd=ROOT).returncode != 0:
        raise Failure("BuildFailed", f"cargo could not build {_NAME}; what it said stands above")
    return str(ROOT / "target" / "release" / _NAME)


class Invocation:
    """One run's fetch, called again as the state machine does while it says `continue`. The answer is there when the process has ended."""

    def __init__(self) -> None:
        run_id = f"bench-{time.time_ns()}-{next(_runs)}"
        self.payload = {"run_id": run_id, "started_at": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()), "input": {}}
        self.answer: dict | None = None
        self.calls = 0
        self._server = _Api(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def is_due(self) -> bool:
        return self.answer is None or self.answer.get("outcome") == "continue"

    def environment(self, place: Place) -> dict[str, str]:
        return environment.of_aws(place.aws, place.aws) | {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_address[1]}",
            "AWS_LAMBDA_FUNCTION_NAME": "fetch-azure-to-s3",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_LOG_GROUP_NAME": "bench",
            "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
            "LOG_LEVEL": "info",
            "DATA_BUCKET": place.bucket,
            "PIPELINE_NAME": "bench",
            "AZURE_SECRET_ID": SECRET,
            "AZURE_CONTAINER": place.container,
            "AZURE_BLOB": place.blob,
            "CUSTOMERS_BUCKET": place.bucket,
            "CUSTOMERS_KEY": CUSTOMERS_KEY,
            "SPLIT_BYTES": str(_SPLIT_BYTES),
            "SCHEDULE_TIMEZONE": "UTC",
        }


class _Api(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, invocation: Invocation) -> None:
        self.invocation = invocation
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Api

    def do_GET(self) -> None:
        invocation = self.server.invocation
        if not self.path.endswith("/runtime/invocation/next") or not invocation.is_due:
            self.close_connection = True
            return
        invocation.calls += 1
        headers = {
            "Lambda-Runtime-Aws-Request-Id": f"{invocation.payload['run_id']}-{invocation.calls}",
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + SECONDS) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:fetch-azure-to-s3",
        }
        self._say(200, json.dumps(invocation.payload).encode(), headers)

    def do_POST(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.invocation.answer = json.loads(body)
        self._say(202)

    def _say(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The function says what happens."""
