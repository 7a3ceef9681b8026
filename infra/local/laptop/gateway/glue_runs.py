"""Glue job runs: the job's own script, from S3, under the Spark of its Glue version. Definitions and connections are the emulator's."""

import contextlib
import logging
import os
import secrets
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from laptop import clients
from laptop.gateway import faults, spark
from laptop.gateway.errors import ServiceError
from laptop.gateway.faults import Fault, Faults

log = logging.getLogger("glue_runs")

_LIVE = {"WAITING", "STARTING", "RUNNING", "STOPPING"}
_DEFAULT_TIMEOUT_MINUTES = 480  # Glue 5
_STOP_SECONDS = 10.0
_NUMBERS = {"NumberOfWorkers": int, "MaxCapacity": float}
_DPU = {"G.1X": 1, "G.2X": 2, "G.4X": 4, "G.8X": 8}  # of one worker


@dataclass
class Run:
    id: str
    job: dict
    arguments: dict[str, str]
    timeout_minutes: int
    log: Path
    started: float = field(default_factory=time.time)
    modified: float = field(default_factory=time.time)
    completed: float | None = None
    state: str = "STARTING"
    error: str | None = None
    process: subprocess.Popen | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def now(self, state: str, error: str | None = None) -> None:
        self.state, self.error, self.modified = state, error, time.time()
        if state not in _LIVE:
            self.completed = self.modified
        log.info("%s is %s%s", self.id, state, f": {error}" if error else "")

    def describe(self) -> dict:
        answer = {
            "Id": self.id,
            "Attempt": 0,
            "JobName": self.job["Name"],
            "JobMode": "SCRIPT",
            "StartedOn": self.started,
            "LastModifiedOn": self.modified,
            "JobRunState": self.state,
            "Arguments": self.arguments,
            "PredecessorRuns": [],
            "ExecutionTime": int((self.completed or time.time()) - self.started),
            "Timeout": self.timeout_minutes,
            "LogGroupName": str(self.log),
        }
        for key in ("GlueVersion", "WorkerType", "NumberOfWorkers", "MaxCapacity", "ExecutionClass", "MaintenanceWindow"):
            if self.job.get(key):
                answer[key] = self.job[key]
        # Glue tells the capacity of every run, also where the job states workers.
        answer.setdefault("MaxCapacity", float(self.job.get("NumberOfWorkers", 2) * _DPU.get(self.job.get("WorkerType"), 1)))
        return answer | ({"CompletedOn": self.completed} if self.completed else {}) | ({"ErrorMessage": self.error} if self.error else {})


class GlueRuns:
    PASSES_ON = True

    def __init__(self, folder: Path, logs: Path, faults: Faults) -> None:
        self._folder, self._logs, self._faults = folder, logs, faults
        self._runs: dict[str, list[Run]] = {}
        self._lock = threading.Lock()

    def start_job_run(self, request: dict) -> dict:
        job = _definition(request.get("JobName", ""))
        overrides = request.get("Arguments") or {}
        with self._lock:
            runs = self._runs.setdefault(job["Name"], [])
            limit = int((job.get("ExecutionProperty") or {}).get("MaxConcurrentRuns") or 1)
            if sum(run.state in _LIVE for run in runs) >= limit:
                raise ServiceError("ConcurrentRunsExceededException", f"Concurrent runs exceeded for {job['Name']}")
            identity = f"jr_{secrets.token_hex(32)}"
            run = Run(
                id=identity,
                job=job,
                arguments={**(job.get("DefaultArguments") or {}), **overrides},
                timeout_minutes=int(request.get("Timeout") or job.get("Timeout") or _DEFAULT_TIMEOUT_MINUTES),
                log=self._logs / f"glue-{identity[:12]}.log",
            )
            fault = self._faults.take("StartJobRun", faults.OF_A_RUN)
            if fault and fault.do == "hold_run":
                run.now(fault["state"])
            runs.append(run)
        threading.Thread(target=self._carry_out, args=(run, fault), daemon=True).start()
        return {"JobRunId": run.id}

    def get_job_run(self, request: dict) -> dict:
        return {"JobRun": self._find(request.get("JobName", ""), request.get("RunId", "")).describe()}

    def get_job_runs(self, request: dict) -> dict:
        job = _definition(request.get("JobName", ""))
        return {"JobRuns": [run.describe() for run in reversed(self._runs.get(job["Name"], []))]}

    def batch_stop_job_run(self, request: dict) -> dict:
        job, stopped, errors = request.get("JobName", ""), [], []
        for identity in request.get("JobRunIds") or []:
            try:
                run = self._find(job, identity)
                with self._lock:
                    if run.state not in _LIVE:
                        raise ServiceError("InvalidJobRunStateTransitionException", f"Job run {identity} is {run.state} and cannot be stopped.")
                    run.now("STOPPING")
                    run.stop.set()
                threading.Thread(target=_end, args=(run,), daemon=True).start()
                stopped.append({"JobName": job, "JobRunId": identity})
            except ServiceError as error:
                detail = {"ErrorCode": error.body["__type"], "ErrorMessage": error.body["message"]}
                errors.append({"JobName": job, "JobRunId": identity, "ErrorDetail": detail})
        return {"SuccessfulSubmissions": stopped, "Errors": errors}

    OPERATIONS = {
        "StartJobRun": start_job_run,
        "GetJobRun": get_job_run,
        "GetJobRuns": get_job_runs,
        "BatchStopJobRun": batch_stop_job_run,
    }

    def kill(self, identity: str) -> None:
        """Ends a run as the loss of its machine would: at once, and without a word."""
        with self._lock:
            run = next((run for runs in self._runs.values() for run in runs if run.id == identity), None)
            if run is None:
                raise ServiceError("EntityNotFoundException", f"Job run {identity} not found", status=404)
            if run.process is None or run.completed:
                raise ServiceError("InvalidJobRunStateTransitionException", f"Job run {identity} is {run.state} and has no process to kill.", status=409)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.process.pid, signal.SIGKILL)

    def stop_all(self) -> None:
        with self._lock:
            for run in (run for runs in self._runs.values() for run in runs if run.process):
                _end(run)

    def _find(self, job: str, identity: str) -> Run:
        for run in self._runs.get(job, []):
            if run.id == identity:
                return run
        raise ServiceError("EntityNotFoundException", f"Job run {identity} of job {job} not found")

    def _carry_out(self, run: Run, fault: Fault | None) -> None:
        try:
            if fault and not self._meet(run, fault):
                return
            folder = self._folder / run.id
            # Glue hands a script its own name and run, and leaves out what is meant for Glue itself.
            script_arguments = {"--JOB_NAME": run.job["Name"], "--JOB_RUN_ID": run.id, **run.arguments}
            command, environment = spark.prepare(folder, run.job["Command"]["ScriptLocation"], script_arguments)
            with self._lock:
                if run.stop.is_set():
                    run.now("STOPPED")
                    return
                with run.log.open("ab") as output:
                    run.process = subprocess.Popen(
                        command,
                        cwd=folder,
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                run.now("RUNNING")
            try:
                code = run.process.wait(timeout=run.timeout_minutes * 60)
            except subprocess.TimeoutExpired:
                _end(run)
                run.process.wait()
                run.now("TIMEOUT", f"Job run exceeded its timeout of {run.timeout_minutes} minutes")
                return
            _end(run)  # what the script may have left running
            with self._lock:
                if run.stop.is_set():
                    run.now("STOPPED")
                elif code == 0:
                    run.now("SUCCEEDED")
                else:
                    # A signal's number counts from 128, as shells and containers report it.
                    run.now("FAILED", spark.error_of(folder) or f"Command failed with exit code {code if code > 0 else 128 - code}")
        except (BotoCoreError, ClientError, OSError) as error:
            run.now("FAILED", f"LAUNCH ERROR | {error}")
        except Exception as error:
            log.exception("%s", run.id)
            run.now("ERROR", f"{type(error).__name__}: {error}")

    def _meet(self, run: Run, fault: Fault) -> bool:
        """Does what a script of faults wants; says whether the run goes on for real."""
        if fault.do == "hold_run":
            run.stop.wait(fault["seconds"])
            with self._lock:
                if not run.stop.is_set():
                    run.now("STARTING")
            return True
        with self._lock:
            if not run.stop.is_set():
                run.now("RUNNING")
        run.stop.wait(fault["after"])
        with self._lock:
            run.now(*(("STOPPED",) if run.stop.is_set() else (fault["state"], fault["message"])))
        return False


def _definition(name: str) -> dict:
    # The real endpoint is asked, not ourselves: this client goes to the emulator.
    try:
        job = clients.of_emulator("glue").get_job(JobName=name)["Job"]
    except ClientError as error:
        detail = error.response["Error"]
        raise ServiceError(detail["Code"], detail["Message"]) from error
    # A parameter of a nested stack is a text; CloudFormation makes a number of it, the emulator (ministack 1.5.33) does not.
    return job | {name: kind(job[name]) for name, kind in _NUMBERS.items() if job.get(name)}


def _end(run: Run) -> None:
    """Ends the run's whole process group: the script, the JVM and Spark's Python workers."""
    if run.process is None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(run.process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.process.wait(_STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(run.process.pid, signal.SIGKILL)
