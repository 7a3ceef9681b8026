"""`make up` and `make down`: the same stack, left running. Its supervisor is a process of its own, known by a file, through which other commands reach it."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from laptop import report, seed
from laptop.deploy import Deployment
from laptop.failure import Failure
from laptop.inputs import Inputs
from laptop.paths import LOCAL_FOLDER, LOGS, STATE, UP_FILE
from laptop.postgres import Warehouse
from laptop.screen import say
from laptop.seed import Secrets
from laptop.session import Session, ready
from laptop.stack import Endpoints, Servers, shown

_LOG = LOGS / "up.log"
_STOP_SECONDS = 40.0


def up() -> int:
    if state := _running():
        say(f"It is up already, since {state['since']}.\n")
        say(state["how_to_use"])
        return 0
    LOGS.mkdir(parents=True, exist_ok=True)
    UP_FILE.unlink(missing_ok=True)
    variables = {name: value for name, value in os.environ.items() if name != "CROSSTALLY_GUARD"} | {"PYTHONPATH": str(LOCAL_FOLDER)}
    with _LOG.open("wb") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "laptop", "supervise"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=variables,
        )
    try:
        _show_until_up(supervisor)
    except BaseException:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait()
        raise
    say(_running()["how_to_use"])
    return 0


def down() -> int:
    state = _running()
    if not state:
        say("It is not up.")
        UP_FILE.unlink(missing_ok=True)
        return 0
    os.kill(state["pid"], signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while _running():
        if time.monotonic() > deadline:
            raise Failure("StackFailed", f"the stack (process {state['pid']}) did not stop within {_STOP_SECONDS:.0f} s", [_LOG])
        time.sleep(0.1)
    UP_FILE.unlink(missing_ok=True)
    say("It is down; its tables and objects are gone.")
    return 0


def attach() -> Session:
    """The stack that `up` left running."""
    if state := _running():
        return session_of(state["session"])
    raise Failure("NothingUp", "no stack is up: start one with `make up`, then try again")


@dataclass(frozen=True)
class Attached(Servers):
    """The servers of a stack that another process supervises."""

    endpoints: Endpoints
    warehouse: Warehouse
    logs: Path

    def check(self) -> None:
        if not _running():
            raise Failure("StackFailed", "the stack that was up has stopped", [_LOG])


def supervise() -> int:
    with ready("up", Inputs()) as session:
        guard = os.getppid()
        state = {
            "pid": guard,
            "born": _born(guard),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            "how_to_use": _how_to_use(session),
            "session": state_of(session),
        }
        scratch = STATE / "up.json.new"
        scratch.write_text(json.dumps(state, indent=2))
        scratch.chmod(0o600)  # it holds the warehouse's password
        scratch.replace(UP_FILE)
        try:
            while True:
                session.stack.check()
                time.sleep(1)
        finally:
            UP_FILE.unlink(missing_ok=True)


def state_of(session: Session) -> dict:
    """What another process needs to use the session, as JSON has it."""
    stack = session.stack
    servers = {"endpoints": asdict(stack.endpoints), "warehouse": asdict(stack.warehouse), "logs": str(stack.logs)}
    servers["warehouse"]["folder"] = str(stack.warehouse.folder)
    return {**servers, "deployment": asdict(session.deployment), "secrets": asdict(session.secrets)}


def session_of(state: dict) -> Session:
    warehouse = Warehouse(**{**state["warehouse"], "folder": Path(state["warehouse"]["folder"])})
    servers = Attached(Endpoints(**state["endpoints"]), warehouse, Path(state["logs"]))
    return Session(servers, Deployment(**state["deployment"]), Secrets(**state["secrets"]))


def _how_to_use(session: Session) -> str:
    stack, deployment = session.stack, session.deployment
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in stack.aws_environment().items() if name != "AWS_EC2_METADATA_DISABLED")
    return f"""It is up. A run, and what a run would do:
make start      # CUSTOMERS=file, TRANSACTIONS=file and CONTRACT=file are put in place first
make plan
make replay RUN=<run_id>
make trace KEY=<transaction_id>
make doctor     # what a run would trip over

For the AWS CLI and every AWS SDK:

{exports}

What is there:
aws stepfunctions list-executions --state-machine-arn {deployment.state_machine}
aws s3 ls --recursive s3://{deployment.bucket}/

The warehouse:
{report.psql(stack)}

The transactions are the blob {seed.CONTAINER}/{seed.BLOB} in the account whose connection string is:
{seed.connection_string(stack)}

Logs: {shown(stack.logs)}/
`make down` stops it."""


def _running() -> dict | None:
    try:
        state = json.loads(UP_FILE.read_text())
    except (FileNotFoundError, ValueError):
        return None
    # The number of a process that has ended may have been given to another one.
    return state if _born(state["pid"]) == state["born"] else None


def _born(pid: int) -> str | None:
    """When a process was started, in whatever form the system has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        pass
    if Path("/proc/self").exists():
        return None
    said = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return said or None


def _show_until_up(supervisor: subprocess.Popen) -> None:
    with _LOG.open() as log:
        while True:
            over = supervisor.poll() is not None
            up_now = UP_FILE.exists()
            sys.stdout.write(log.read())
            sys.stdout.flush()
            if up_now:
                return
            if over:
                raise Failure("StackFailed", "the stack did not come up; what it said stands above", [_LOG])
            time.sleep(0.2)
