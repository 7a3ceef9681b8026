"""The gateway's side door (laptop/gateway/control.py), as a rig uses it."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass


@dataclass(frozen=True)
class Gateway:
    url: str

    def script(self, *entries: dict) -> None:
        """Replaces the script of faults."""
        self._ask("PUT", "/faults", list(entries))

    def fired(self) -> list[int]:
        """How often each fault of the script has fired."""
        return [entry["fired"] for entry in self._ask("GET", "/faults")]

    def clear(self) -> None:
        self._ask("DELETE", "/faults")

    def calls(self) -> dict[str, int]:
        """How often each operation was called, as `Service.Operation`."""
        return self._ask("GET", "/calls")

    def kill(self, job_run_id: str) -> None:
        """SIGKILL to every process of a Glue job's run."""
        self._ask("POST", f"/runs/{job_run_id}/kill")

    def _ask(self, method: str, path: str, content: object = None):
        body = json.dumps(content).encode() if content is not None else None
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, method=method, data=body), timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(f"{method} {path}: {error.read().decode()}") from error
