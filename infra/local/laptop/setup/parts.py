"""The parts of the set-up, and which needs which. In the order in which they begin where they may: the compiler's first, since it takes longest."""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

from laptop import build
from laptop.paths import ROOT
from laptop.setup import browser, child, java, jdbc, machine, node, postgres, python, samples, uv
from laptop.setup.graph import Part


def of(for_tests: bool, compiles: bool) -> list[Part]:
    """What a run needs, what only lint and tests need on top, and the functions themselves."""
    wanted = [*(_compiling() if compiles else []), *_for_runs(), *(_for_tests() if for_tests else [])]
    return [replace(part, make=_with_own_log(part)) for part in wanted]


def _for_runs() -> list[Part]:
    return [
        Part("uv", "uv, which installs the Python packages", uv.ensure, stands=uv.stands),
        _environment("compiler", "cargo-lambda", python.COMPILER),
        _environment("venv", "Python packages of the stack, and Spark", python.STACK),
        _environment("sam", "Python packages of sam", python.SAM),
        *(_tool(module, needs=("uv",)) for module in (node, java, postgres, jdbc)),
        Part("npm", "Azurite, by npm", node.AZURITE.ensure, ("node",), node.AZURITE.stands),
        Part("samples", "sample data", samples.ensure, stands=samples.stands),
    ]


def _for_tests() -> list[Part]:
    return [
        Part("tests", "Python packages of the tests", python.ensure_tests, ("venv",), python.tests_stand),
        _environment("zig", "zig, which links for Lambda", python.ZIG),
        _environment("datacontract", "Python packages of datacontract-cli", python.DATACONTRACT),
        _environment("lint", "Python packages of lint", python.LINT),
        _environment("pages", "Python packages of the browser tests", python.PAGES),
        Part("npm-lint", "lint's tools, by npm", node.LINT.ensure, ("node",), node.LINT.stands),
        _tool(browser),
    ]


def _compiling() -> list[Part]:
    if build.stands():
        return []  # cargo looks for what has changed while the servers start
    return [
        Part("crates", "crates, by cargo", lambda: child.run(*build.fetch_command(), cwd=ROOT)),
        Part("functions", "compile the functions", build.compile_in_setup, ("compiler", "crates"), facts=lambda: build.facts(child.log("functions"))),
    ]


def _environment(name: str, title: str, environment: python.Environment) -> Part:
    return Part(name, title, environment.ensure, ("uv",), environment.stands)


def _tool(module: ModuleType, needs: tuple[str, ...] = ()) -> Part:
    """The machine's own, else a pinned one."""

    def make() -> None:
        machine.remember(module.NAME, module.find() or module.install())

    return Part(module.NAME, module.TITLE, make, needs, lambda: module.NAME in machine.recall_if_unchanged())


def _with_own_log(part: Part) -> Callable[[], None]:
    def make() -> None:
        with child.part(part.name):
            part.make()

    return make
