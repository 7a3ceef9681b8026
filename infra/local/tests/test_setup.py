"""The set-up without its downloads: stamps, the graph of parts, its commands and logs, and what it takes over from pip."""

import re
import sys
import threading
import time
from pathlib import Path

import pytest
from laptop import build, log_lines, screen, setup
from laptop.failure import Failure
from laptop.live import Stay
from laptop.paths import LOCAL_FOLDER, ROOT
from laptop.setup import child, graph, java, parts, python, stamp, uv
from laptop.setup.graph import Part


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stamp, "STATE", tmp_path)
    monkeypatch.setattr(stamp, "STAMPS", tmp_path / "stamps")
    times = []

    def ensure(content: str, fails: bool = False, name: str | None = None) -> int:
        def make() -> None:
            times.append(content)
            (tmp_path / "part").mkdir(exist_ok=True)
            (tmp_path / "part" / "tool").write_text(content)
            if fails:
                raise KeyboardInterrupt

        stamp.ensure(tmp_path / "part" / "tool", [content], make, name)
        return len(times)

    return ensure


def test_what_stands_is_not_made_again(made, tmp_path: Path) -> None:
    assert [made("a"), made("a")] == [1, 1]
    assert [stamp.stands(tmp_path / "part" / "tool", [content]) for content in "ab"] == [True, False]


def test_changed_content_is_made_again(made) -> None:
    assert [made("a"), made("b"), made("b")] == [1, 2, 2]


def test_two_parts_of_one_folder_have_a_stamp_each(made) -> None:
    assert [made("a"), made("b", name="other"), made("a"), made("b", name="other")] == [1, 2, 2, 2]


def test_an_interrupted_part_is_made_again(made) -> None:
    with pytest.raises(KeyboardInterrupt):
        made("a", fails=True)
    assert [made("a"), made("a")] == [2, 2]


def test_an_interrupted_change_does_not_leave_the_old_stamp(made) -> None:
    made("a")
    with pytest.raises(KeyboardInterrupt):
        made("b", fails=True)
    assert made("a") == 3


def test_a_part_that_was_deleted_is_made_again(made, tmp_path: Path) -> None:
    made("a")
    (tmp_path / "part" / "tool").unlink()
    assert made("a") == 2


class Play:
    """Parts that are steps of a play: each says when it begins and ends, and ends when it may."""

    def __init__(self, needs: dict[str, str], standing: str = "", failing: str = "") -> None:
        self.said: list[str] = []
        self.looks: list[list[Stay]] = []
        self.stopped = threading.Event()
        self.parts = [self._part(name, tuple(needed), name in standing, name in failing) for name, needed in needs.items()]

    def run(self) -> list[str]:
        graph.make_all(self.parts, lambda stays, _: self.looks.append(stays), self.stopped.set)
        return self.said

    def shown(self) -> dict[str, str]:
        return {stay.name: stay.how for stay in self.looks[-1]} if self.looks else {}

    def _part(self, name: str, needs: tuple[str, ...], stands: bool, fails: bool) -> Part:
        def make() -> None:
            self.said.append(name)
            if fails:
                raise Failure("SetupFailed", f"{name} failed")
            if name.isupper() and self.stopped.wait(10):  # goes on until it is stopped
                raise Failure("SetupFailed", f"{name} was stopped")
            self.said.append(f"/{name}")

        return Part(name, name, make, needs, lambda: stands)


@pytest.mark.parametrize(
    ("needs", "standing", "before"),
    [
        ({}, "", []),
        ({"a": ""}, "", [("a", "/a")]),
        ({"b": "a", "a": ""}, "", [("/a", "b")]),
        ({"d": "bc", "c": "a", "b": "a", "a": ""}, "", [("/a", "b"), ("/a", "c"), ("/b", "d"), ("/c", "d")]),
        ({"c": "b", "b": "a", "a": ""}, "b", [("/a", "c")]),
    ],
)
def test_a_part_begins_when_those_it_needs_are_done(needs: dict[str, str], standing: str, before: list[tuple[str, str]]) -> None:
    play = Play(needs, standing)
    said = play.run()
    assert sorted(said) == sorted(word for name in needs if name not in standing for word in (name, f"/{name}"))
    assert all(said.index(first) < said.index(second) for first, second in before)
    assert play.shown() == {name: "left" for name in needs if name not in standing}


@pytest.mark.parametrize(
    ("begun", "done", "expected"),
    [("", "", "ab"), ("ab", "", ""), ("ab", "a", "c"), ("ab", "b", ""), ("abc", "ab", ""), ("abc", "abc", "d")],
)
def test_which_parts_may_begin(begun: str, done: str, expected: str) -> None:
    play = Play({"a": "", "b": "", "c": "a", "d": "bc"})
    assert "".join(part.name for part in graph.startable(play.parts, set(begun), set(done))) == expected


def test_parts_are_made_side_by_side() -> None:
    meet = threading.Barrier(3, timeout=10)
    graph.make_all([Part(name, name, lambda: meet.wait() and None) for name in "abc"], lambda *_: None, lambda: None)


def test_a_part_that_fails_stops_the_others() -> None:
    play = Play({"A": "", "b": "", "c": "b", "B": ""}, failing="b")
    with pytest.raises(Failure, match="b failed"):
        play.run()
    assert play.stopped.is_set() and sorted(play.said) == ["A", "B", "b"]
    assert play.shown() == {"A": "stopped", "b": "failed", "B": "stopped"}


def test_the_user_may_stop_it() -> None:
    play = Play({"A": ""})

    def show(stays: list[Stay], is_last: bool) -> None:
        if not play.stopped.is_set():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        graph.make_all(play.parts, show, play.stopped.set)
    assert play.stopped.is_set()


@pytest.mark.parametrize("needs", [{"a": "b", "b": "a"}, {"a": "x"}])
def test_parts_that_can_never_begin_are_a_mistake(needs: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match="'a'"):
        Play(needs).run()


@pytest.mark.parametrize("for_tests", [False, True])
def test_the_real_parts_can_all_be_made_and_the_compiler_waits_for_nothing_else(for_tests: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "stands", lambda: False)
    needs = {part.name: part.needs for part in parts.of(for_tests, compiles=True)}
    assert len(needs) == len(parts.of(for_tests, compiles=True))
    order = Play({}).parts
    done: set[str] = set()
    while order := graph.startable(parts.of(for_tests, compiles=True), done, done):
        done |= {part.name for part in order}
    assert done == needs.keys()
    before = {"functions"}
    while (more := before | {need for name in before for need in needs[name]}) != before:
        before = more
    assert before == {"functions", "compiler", "crates", "uv"}
    assert needs.keys().isdisjoint({"tests", "lint", "pages", "datacontract", "npm-lint", "browser"}) is not for_tests


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(child, "SETUP_LOGS", tmp_path)
    monkeypatch.setattr(child, "_stopped", False)  # taken back after the test, which may have stopped everything
    return tmp_path


def test_each_part_has_a_log_and_a_failure_shows_the_end_of_its_own(logs: Path) -> None:
    with child.part("a"):
        child.run("sh", "-c", "echo of a")
    with child.part("b"), pytest.raises(Failure) as failed:
        child.run("sh", "-c", "for i in $(seq 20); do echo line $i; done; printf 'half\\rwhole\\n'; exit 3")
    assert failed.value.message.startswith("`sh -c` ended with exit code 3:\nline 10\n") and failed.value.message.endswith("line 20\nwhole")
    assert failed.value.logs == [logs / "b.log"]
    assert (logs / "a.log").read_text() == "$ sh -c echo of a\nof a\n"
    with child.part("a"):
        assert not (logs / "a.log").exists()  # what is in a log is of one making


def test_a_program_that_is_missing_is_named(logs: Path) -> None:
    with pytest.raises(Failure, match="there is no program `no-such-program`; install it, or put it on the PATH"):
        child.run("no-such-program", "--version")


def test_commands_end_with_their_children_when_it_is_stopped(logs: Path) -> None:
    failures = []

    def work() -> None:
        try:
            child.run("sh", "-c", "sleep 60 & echo $!; wait")
        except Failure as failure:
            failures.append(failure)

    thread = threading.Thread(target=work)
    thread.start()
    while not re.search(r"^\d+$", child.log().read_text() if child.log().exists() else "", re.M):
        time.sleep(0.01)
    sleeper = Path("/proc") / re.search(r"^\d+$", child.log().read_text(), re.M)[0] / "cmdline"
    child.stop_all()
    thread.join(10)
    assert "ended with exit code -15" in failures[0].message
    deadline = time.monotonic() + 10  # it was sent a signal; on a busy machine it ends a little after its parent
    while _lives(sleeper) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _lives(sleeper)
    with pytest.raises(Failure, match="`sh -c` was not started"):
        child.run("sh", "-c", "true")


def _lives(command_line: Path) -> bool:
    """A process that has ended has no command line, or no entry any more."""
    try:
        return b"sleep" in command_line.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


STOPWATCH = [
    (0.0, [Stay("uv", "in", 0.0)]),
    (1.0, [Stay("uv", "in", 1.0)]),
    (2.5, [Stay("uv", "left", 2.5), Stay("compile", "in", 0.0), Stay("sam", "in", 0.0)]),
    (10.0, [Stay("uv", "left", 2.5), Stay("compile", "in", 7.5, facts=("crates compiled: 3 of 9",)), Stay("sam", "in", 7.5)]),
    (17.6, [Stay("uv", "left", 2.5), Stay("compile", "in", 15.1, facts=("crates compiled: 5 of 9",)), Stay("sam", "in", 15.1)]),
    (18.0, [Stay("uv", "left", 2.5), Stay("compile", "in", 15.5, facts=("crates compiled: 5 of 9",)), Stay("sam", "failed", 15.5)]),
    (18.1, [Stay("uv", "left", 2.5), Stay("compile", "stopped", 15.6), Stay("sam", "failed", 15.5)]),
]


def test_without_a_terminal_it_says_what_begins_and_ends_and_that_the_compiler_lives(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(screen.time, "monotonic", lambda: now[0])
    progress = screen.Progress(sys.stderr, tells_ends=True)
    for seconds, stays in STOPWATCH:
        now[0] = seconds
        progress.show(lambda _, stays=stays: stays)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "     0.0 s  uv",
        "     2.5 s  compile",
        "     2.5 s  sam",
        "     2.5 s  uv: done in 2.5 s",
        "    17.6 s  compile: crates compiled: 5 of 9",
        "    18.0 s  sam: failed after 15.5 s",
        "    18.1 s  compile: stopped after 15.6 s",
    ]


@pytest.mark.parametrize(("compiled", "compiles", "expected"), [(False, True, True), (True, True, False), (False, False, False)])
def test_the_first_time_says_how_long_it_takes(
    compiled: bool, compiles: bool, expected: bool, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "STATE", tmp_path)
    monkeypatch.setattr(build, "stands", lambda: compiled)
    monkeypatch.setattr(parts, "of", lambda *_: [])
    setup.ensure(compiles=compiles)
    assert capsys.readouterr().err == (f"{setup.FIRST_TIME}\n" if expected else "")


COLD = "   Compiling libc v0.2.1\n    Building [=>     ] 4/393: libc(build.rs), quote   \r"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", None),
        ("   Compiling libc v0.2.191\n", None),
        (COLD, (4, 393)),
        (COLD + "   Compiling syn v2.0.1\r    Building [===>   ] 120/393: syn   \r", (120, 393)),
        ("    Building [=======================> ] 392/393: merge-and-clean(bin)\r    Finished `release` profile", (392, 393)),
        ("   Compiling building v4/5 [6] 7/8\n", None),
        ("    Blocking waiting for file lock on build directory\n", None),
    ],
)
def test_how_far_cargo_is_by_its_own_word(said: str, expected: tuple[int, int] | None, tmp_path: Path) -> None:
    assert build.progress(said) == expected
    (tmp_path / "log").write_text("x" * 10_000 + said)
    assert build.facts(tmp_path / "log") == ((f"crates compiled: {expected[0]} of {expected[1]}",) if expected else ())
    assert build.facts(tmp_path / "no-log") == ()


def test_a_tidied_log_has_no_progress(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(COLD + "    Finished `release` profile\n")
    log_lines.tidy(tmp_path / "log")
    assert (tmp_path / "log").read_text() == "   Compiling libc v0.2.1\n    Finished `release` profile\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], "it said nothing"),
        (["", "  so far so good  ", ""], "so far so good"),
        (["warning: x", "error[E0425]: no `y`", " --> a.rs", "error: could not compile `z`"], "error[E0425]: no `y`"),
        (["Build Failed", "Error: RustCargoLambdaBuilder:CargoLambdaBuild - no cargo", "done"], "Error: RustCargoLambdaBuilder:CargoLambdaBuild - no cargo"),
    ],
)
def test_the_line_that_says_why(lines: list[str], expected: str) -> None:
    assert log_lines.most_telling(lines) == expected


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_cargo_is_called_as_sam_calls_it(architecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else `sam build` would compile everything once more. The words are asked from sam's own builder."""
    monkeypatch.setattr(build, "architecture", lambda: architecture)
    ask = f"""
from types import SimpleNamespace
from aws_lambda_builders.workflows.rust_cargo.actions import RustCargoLambdaBuildAction as Action
binaries = {{"cargo": SimpleNamespace(binary_path="cargo")}}
print(*Action("", binaries, None, None, "provided.al2023", "{architecture}", "NAME").build_command())
"""
    sam = child.ask(python.SAM.venv / "bin" / "python", "-c", ask).split()
    assert build.command() == [*sam[:-2], *(word for name in build.FUNCTIONS for word in (sam[-2], name))]
    assert set(re.findall(r"^ +Binary: (.+)$", (ROOT / "template.yaml").read_text(), re.M)) == set(build.FUNCTIONS)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("", {}),
        ("global.cert='/etc/ca.pem'\n:env:.cert='/own.pem'\n", {"SSL_CERT_FILE": "/own.pem"}),
        (":env:.index-url='https://one.invalid/simple'\nglobal.index-url='https://two.invalid/simple'\n", {"UV_DEFAULT_INDEX": "https://one.invalid/simple"}),
        ("install.index-url='https://a.invalid'\nglobal.index-url='https://b.invalid'\n", {"UV_DEFAULT_INDEX": "https://a.invalid"}),
        (
            "global.extra-index-url='https://a.invalid\\nhttps://b.invalid'\n",
            {"UV_INDEX": "https://a.invalid https://b.invalid", "UV_INDEX_STRATEGY": "unsafe-best-match"},
        ),
        (":env:.find-links='/wheels /more'\nglobal.trusted-host='a.invalid'\n", {"UV_FIND_LINKS": "/wheels,/more", "UV_INSECURE_HOST": "a.invalid"}),
        ("global.proxy='http://p.invalid:3128'\nglobal.timeout='60'\n", {"ALL_PROXY": "http://p.invalid:3128", "UV_HTTP_TIMEOUT": "60"}),
        ("freeze.index-url='x'\nglobal.break-system-packages='true'\nnonsense\n", {}),
    ],
)
def test_uv_asks_the_index_that_pip_is_set_up_for(listed: str, expected: dict[str, str]) -> None:
    assert uv.settings_of_pip(listed) == expected


def test_what_the_user_set_for_uv_wins_but_for_where_it_writes() -> None:
    user = {"PATH": "/bin", "UV_DEFAULT_INDEX": "https://mine.invalid", "UV_CACHE_DIR": "/home/me/.cache/uv", "PYTHONPATH": "x"}
    variables = uv.variables(user, {"UV_DEFAULT_INDEX": "https://pip.invalid", "SSL_CERT_FILE": "/ca.pem"})
    assert (variables["UV_DEFAULT_INDEX"], variables["SSL_CERT_FILE"], variables["PATH"]) == ("https://mine.invalid", "/ca.pem", "/bin")
    assert variables["UV_CACHE_DIR"] == str(ROOT / ".local" / "cache" / "uv")
    assert "PYTHONPATH" not in variables


LOCK = """# made by uv
other==1.0 \\
    --hash=sha256:aa
    # via tool
tool==2.0 ; sys_platform != 'win32' \\
    --hash=sha256:bb \\
    --hash=sha256:cc
    # via -r requirements.txt
tool-kit==3.0 \\
    --hash=sha256:dd
"""


def test_the_pins_of_some_packages_come_with_their_hashes() -> None:
    assert python.pins(LOCK, ("tool",)) == "tool==2.0 ; sys_platform != 'win32' \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    assert python.pins(LOCK, ("no-tool",)) == ""


@pytest.mark.parametrize("lock", [*LOCAL_FOLDER.glob("*.lock"), ROOT / "infra" / "bench" / "requirements.lock"], ids=str)
def test_a_lock_has_the_pins_of_its_requirements_and_a_hash_of_everything(lock: Path) -> None:
    text = lock.read_text()
    pinned = {re.sub(r"[-_.]+", "-", name.lower()): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.M)}
    wanted = re.findall(r"^([\w.-]+)(?:\[\w+\])?==(\S+)", lock.with_suffix(".txt").read_text(), re.M)
    assert wanted and {name.lower(): version for name, version in wanted}.items() <= pinned.items()
    entries = re.findall(r"^[\w.-]+==.*(?:\n +[-#].*)*", text, re.M)
    assert len(entries) == len(re.findall(r"^\S+==", text, re.M)) and all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text  # no registry is named


def test_an_installed_java_gets_the_archive_of_its_own_classes_once(logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, calls = tmp_path / "bin" / "java", tmp_path / "calls"
    for folder in (program.parent, (tmp_path / java.BASE_ARCHIVE).parent):
        folder.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\necho "$@" >> {calls}\ntouch {tmp_path / java.BASE_ARCHIVE}\n')
    program.chmod(0o755)
    monkeypatch.setattr(python, "install_fallback", lambda *_: str(tmp_path))
    assert java.install() == java.install() == str(tmp_path)
    assert calls.read_text() == "-Xshare:dump\n"
