"""A run's steps, called by hand as the state machine would call them: for what an execution cannot be made to do, such as a redrive, which
the emulator does not know, or a run that is fetched before another and loaded after it."""

import json
import time
from dataclasses import dataclass

from laptop.stack import Stack

_PATIENCE = 180.0
_POLL_SECONDS = 0.3


class StepFailed(Exception):
    """A function's own error: its name and its sentence."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name, self.message = name, message


@dataclass(frozen=True)
class Steps:
    stack: Stack

    def fetch(self, run_id: str, **given) -> dict:
        return self.invoke("FetchAzureToS3", {"run_id": run_id, "started_at": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()), "input": given})

    def fetch_and_clean(self, run_id: str, **given) -> None:
        splits = self.fetch(run_id, **given)["splits"]
        for split in range(splits):
            self.invoke("MergeAndClean", {"action": "clean", "run_id": run_id, "split": split})

    def start(self, run_id: str, redrives: int = 0) -> dict:
        return self.invoke("TriggerGlueLoad", {"action": "start", "run_id": run_id, "redrives": redrives})

    def check(self, run_id: str, redrives: int = 0, statement_id: str | None = None) -> dict:
        return self.invoke("TriggerGlueLoad", {"action": "check", "run_id": run_id, "redrives": redrives, "statement_id": statement_id})

    def finish(self, run_id: str, redrives: int = 0) -> dict:
        """Checks until the load has ended; raises StepFailed as it fails."""
        deadline, answer = time.monotonic() + _PATIENCE, {"statement_id": None}
        while time.monotonic() < deadline:
            answer = self.check(run_id, redrives, answer["statement_id"])
            if answer["finished"]:
                return answer
            time.sleep(_POLL_SECONDS)
        raise TimeoutError(f"the load of {run_id} has not ended within {_PATIENCE:.0f} s")

    def invoke(self, function: str, payload: dict) -> dict:
        client = self.stack.client("lambda")
        name = next(f["FunctionName"] for f in client.list_functions()["Functions"] if f"{function}Function" in f["FunctionName"])
        answer = client.invoke(FunctionName=name, Payload=json.dumps(payload))
        found = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise StepFailed(found["errorType"], found["errorMessage"])
        return found
