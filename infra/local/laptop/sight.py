"""What S3 and Glue tell of a run under way. They are asked little, and by nobody but a user who watches; what they do not tell is not shown."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.core.exceptions import AzureError
from botocore.exceptions import BotoCoreError, ClientError

from laptop import live, seed
from laptop.execution import Execution
from laptop.live import Pace, Stay
from laptop.session import Session

_LOOK_SECONDS = 0.5
_CLOCKS_APART = timedelta(seconds=2)  # S3 says when an upload was begun, to the second
_LOAD = ("StartLoad", "WaitForLoad", "CheckLoad", "IsLoadFinished")


class Sight:
    def __init__(self, session: Session, run_id: str, reads_the_blob: bool) -> None:
        self._stack, self._s3, self._glue = session.stack, session.stack.client("s3"), session.stack.client("glue")
        self._bucket, self._job, self._run = session.deployment.bucket, session.deployment.glue_job, f"runs/{run_id}/"
        self._reads_the_blob, self._since = reads_the_blob, datetime.now(UTC) - _CLOCKS_APART
        self._known: dict[str, Any] = {}  # what does not change any more, by its key
        self._pace: dict[str, Pace] = {}
        self._looked, self._of, self._facts = 0.0, "", ()

    def stays(self, execution: Execution, with_facts: bool) -> list[Stay]:
        """The states of an execution, and what is known of the one that it is in."""
        now = datetime.now(UTC)
        states = list(execution.states.values())
        return [
            Stay(
                state.name,
                "failed" if execution.error and state is states[-1] else "in" if state.since else "left",
                state.seconds_at(now),
                state.visits,
                self._facts_of(state.name) if state.since and with_facts else (),
            )
            for state in states
        ]

    def _facts_of(self, state: str) -> tuple[str, ...]:
        now = time.monotonic()
        if state != self._of or now - self._looked >= _LOOK_SECONDS:
            try:
                self._facts = self._look(state, now)
            except (AzureError, BotoCoreError, ClientError):
                self._facts = ()  # not there yet
            self._looked, self._of = now, state
        return self._facts

    def _look(self, state: str, now: float) -> tuple[str, ...]:
        if state == "FetchTransactions" and self._reads_the_blob:
            total = self._known.get("blob") or self._known.setdefault("blob", seed.bytes_of_transactions(self._stack))
            done = self._copied()
            return live.copied(done, total, self._rate(state, now, done))
        if state == "MergeAndClean":
            raw = self._document(self._document(self._run + "inputs.json")["raw_manifest"])["splits"]
            keys = self._keys(self._run + "parts/part-")
            done = [int(key[-10:-5]) for key in keys]
            rows = sum(raw[split]["records"] for split in done)
            return live.merged((len(done), len(raw)), (rows, sum(split["records"] for split in raw)), self._rate(state, now, rows))
        if state in _LOAD:
            return live.loading(self._clean_rows(), self._load_state())
        return ()

    def _rate(self, state: str, now: float, done: int | None) -> float | None:
        if done is None:
            return None
        pace = self._pace.setdefault(state, Pace())
        pace.see(now, done)
        return pace.rate

    def _copied(self) -> int | None:
        """In the parts that S3 has of the run's upload; None before the first and after the last, and for what is no larger than a part."""
        found = self._s3.list_multipart_uploads(Bucket=self._bucket, Prefix="raw/transactions/").get("Uploads", [])
        upload = max((upload for upload in found if upload["Initiated"] >= self._since), key=lambda upload: upload["Initiated"], default=None)
        if upload is None:
            return None
        pages = self._s3.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        return sum(part["Size"] for page in pages for part in page.get("Parts", []))

    def _clean_rows(self) -> int:
        return self._document(self._run + "manifest.json")["ledger"]["transactions"]["clean"]

    def _load_state(self) -> str:
        load = json.load(self._s3.get_object(Bucket=self._bucket, Key=self._run + "load.json")["Body"])  # another one after an interruption
        if load["mode"] != "glue":
            return "a batch of the Data API"
        return f"Glue job {self._glue.get_job_run(JobName=self._job, RunId=load['id'])['JobRun']['JobRunState']}"

    def _document(self, key: str) -> Any:
        if key not in self._known:
            self._known[key] = json.load(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"])
        return self._known[key]

    def _keys(self, prefix: str) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]
