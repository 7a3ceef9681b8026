"""The commands as a user runs them, from the system's Python on."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from laptop.paths import LOCAL_FOLDER, STACKS, UP_FILE

# Not under the guard of the command that runs these tests.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "CROSSTALLY_GUARD"} | {"PYTHONPATH": str(LOCAL_FOLDER)}

# A supervisor that says where its servers are and then waits.
SUPERVISOR = """
import os, sys, time
from laptop import guard
from laptop.stack import Stack

def main():
    with Stack("victim") as stack:
        stack.start()
        places = [stack.endpoints.aws, stack.endpoints.gateway, stack.endpoints.azure, f"tcp://127.0.0.1:{stack.warehouse.port}"]
        print(os.getpid(), stack.warehouse.folder, *places, flush=True)
        time.sleep(120)
    return 0

sys.exit(guard.run(main))
"""


def run(*words: str | Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "laptop", *map(str, words)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("option", ["customers", "transactions", "contract"])
def test_a_wrong_path_is_told_at_once_and_in_the_summary(option: str, tmp_path: Path) -> None:
    ended = run("run", f"--{option}", tmp_path / "no-such-file", "--out", tmp_path / "out")
    assert ended.returncode == 1
    assert f"{option.upper()}: {tmp_path}/no-such-file does not exist" in ended.stderr
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == {
        "run_id": None,
        "status": "NOT_STARTED",
        "rows": {"read": 0, "loaded": 0, "superseded": 0, "quarantined": 0},
        "quarantined_by_rule": {},
        "customers": {"read": 0, "kept": 0, "superseded": 0, "quarantined": 0},
        "sums": {},
        "matched": 0,
        "unmatched": 0,
        "seconds": {},
        "seconds_to_balanced_ledger": None,
        "state_transitions": 0,
        "data_api_calls": {},
        "plan": None,
        "nothing_to_do": None,
        "report": None,
        "error": {
            "name": "InputMissing",
            "message": f"{option.upper()}: {tmp_path}/no-such-file does not exist; give the path of a file that can be read",
        },
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["trace", ""], "error: InputMissing: KEY: "),
        (["start", "--replay", ""], "error: InputMissing: RUN: "),
        (["start", "--transactions", "no-such-file"], "error: InputMissing: TRANSACTIONS: no-such-file does not exist"),
    ],
)
def test_what_is_missing_is_told_at_once(words: list[str], says: str) -> None:
    ended = run(*words)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert says in ended.stderr


@pytest.mark.skipif(UP_FILE.exists(), reason="a stack is up")
@pytest.mark.parametrize("words", [["start"], ["start", "--plan"], ["start", "--replay", "a-run"], ["trace", "a-key"], ["doctor"]])
def test_what_needs_a_stack_that_is_up_says_so(words: list[str]) -> None:
    ended = run(*words)
    assert ended.returncode == 1
    assert "error: NothingUp: no stack is up: start one with `make up`" in ended.stderr


@pytest.mark.parametrize(("region", "says"), [({}, "there is no AWS Region"), ({"AWS_REGION": "eu-central-1"}, "there are no AWS credentials: log in")])
def test_a_stack_in_aws_is_looked_at_as_the_caller(region: dict[str, str], says: str) -> None:
    """Without credentials it ends before anything is sent."""
    own = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("AWS_")}
    nobody = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    command = [sys.executable, "-m", "laptop", "doctor", "--stack", "crosstally-prod"]
    ended = subprocess.run(command, env=own | nobody | region, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stdout.startswith(f"FAIL  stack                  {says}"), ended.stdout + ended.stderr


def test_a_summary_of_an_earlier_run_does_not_survive_a_failure(tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    names = ["summary.json", "manifest.json", "report.json", "report.html", "openlineage.ndjson", "clean/part-00000.parquet"]
    old = [tmp_path / name for name in names]
    for file in old:
        file.write_text("old")
    (tmp_path / "mine.txt").write_text("kept")
    assert run("run", "--customers", tmp_path, "--out", tmp_path).returncode == 1
    assert json.loads(old[0].read_text())["error"]["name"] == "InputMissing"
    assert not any(file.exists() for file in old[1:])
    assert (tmp_path / "mine.txt").exists()


def test_tools_come_from_the_checkout() -> None:
    ended = run("exec", "sh", "-c", "command -v sam cargo-lambda asl-validator; node --version; echo $HOME")
    assert ended.returncode == 0, ended.stderr
    assert all(str(LOCAL_FOLDER.parents[1] / ".local") in line for line in ended.stdout.splitlines() if line.startswith("/"))


@pytest.mark.parametrize(("victim", "number"), [("guard", signal.SIGKILL), ("child", signal.SIGKILL), ("guard", signal.SIGTERM), ("group", signal.SIGINT)])
def test_however_it_ends_nothing_stays_behind(victim: str, number: int) -> None:
    command = [sys.executable, "-c", SUPERVISOR]
    supervisor = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=_hear_ctrl_c)
    said = supervisor.stdout.readline().split()
    child, folder, places = int(said[0]), Path(said[1]), said[2:]
    ports = [int(place.rpartition(":")[2]) for place in places]
    assert all(_open(port) for port in ports)
    match victim:
        case "guard":
            supervisor.send_signal(number)
        case "child":
            os.kill(child, number)
        case "group":
            os.killpg(supervisor.pid, number)
    supervisor.wait(60)
    deadline = time.monotonic() + 180  # four servers, asked one after the other; beside other suites it took over a minute
    while (left := [port for port in ports if _open(port)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
    if (victim, number) != ("child", signal.SIGKILL):  # then the next stack removes its folders
        while folder.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not folder.exists()
        assert not list(STACKS.glob(f"victim-*-{child}"))


def _hear_ctrl_c() -> None:
    """As in a terminal: a shell's background job, which these tests may be part of, is started deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
