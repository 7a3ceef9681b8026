"""The gateway's own side door, for test rigs: the script of faults, how often each operation was called, and the end of a run by force.

PUT /faults              replaces the script by a JSON list; GET gives it back with what has fired, DELETE empties it
GET /calls               {"Service.Operation": calls since the start}, refused ones and those with a lost reply included
POST /runs/<id>/kill     SIGKILL to a run's whole process group
"""

import collections
import json
import threading

from laptop.gateway.errors import ServiceError
from laptop.gateway.faults import Faults
from laptop.gateway.glue_runs import GlueRuns


class Control:
    def __init__(self, faults: Faults, glue: GlueRuns) -> None:
        self._faults, self._glue = faults, glue
        self._calls: collections.Counter[str] = collections.Counter()
        self._lock = threading.Lock()

    def count(self, call: str) -> None:
        with self._lock:
            self._calls[call] += 1

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, object] | None:
        """Status and answer; nothing if the path is none of these."""
        try:
            match method, path.strip("/").split("/"):
                case "PUT", ["faults"]:
                    self._faults.replace(_json(body))
                    return 200, self._faults.describe()
                case "GET", ["faults"]:
                    return 200, self._faults.describe()
                case "DELETE", ["faults"]:
                    self._faults.replace([])
                    return 200, []
                case "GET", ["calls"]:
                    with self._lock:
                        return 200, dict(self._calls)
                case "POST", ["runs", run, "kill"]:
                    self._glue.kill(run)
                    return 200, {"JobRunId": run}
                case _, ["faults"] | ["calls"] | ["runs", _, "kill"]:
                    return 405, {"message": f"{path} does not know {method}."}
        except ServiceError as error:
            return error.status, error.body
        return None


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError as error:
        raise ServiceError("ValidationException", f"The script is no JSON: {error}") from None
