"""No promise loses its last test, and no sentence changes behind its test's back: promises.yaml, held against README, docs and tests."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TABLE = yaml.safe_load((ROOT / "infra/tests/promises.yaml").read_text(encoding="utf-8"))
PROMISES = [(document, words, entry["tests"]) for entry in TABLE for document, quoted in entry.get("promises", {}).items() for words in quoted]
TESTS = sorted({test for entry in TABLE for test in entry["tests"]})


@cache
def prose(document: str) -> str:
    return one_line((ROOT / document).read_text(encoding="utf-8"))


def one_line(text: str) -> str:
    return " ".join(text.split())


@cache
def python_tests(file: Path) -> dict[str, str]:
    """Name and decorators of each test function that pytest would collect."""
    assert re.fullmatch(r"test_\w+\.py", file.name), f"pytest does not look into {file.name}"
    functions = [node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]
    return {node.name: "\n".join(map(ast.unparse, node.decorator_list)) for node in functions if node.name.startswith("test_")}


@cache
def rust_tests(file: Path) -> set[str]:
    """Each function right behind a #[test], with nothing but other attributes in between, that nobody has switched off."""
    found = re.findall(r"((?:^\s*#\[[^\n]*\]\n)+)\s*(?:async )?fn (\w+)\(", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {name for attributes, name in found if re.search(r"#\[(tokio::)?test\b", attributes) and "#[ignore" not in attributes}


@cache
def folders_that_are_run() -> set[str]:
    """The folders that the Makefile hands to pytest."""
    return set(re.findall(r"\b(?:infra|samples)(?:/\w+)*/(?:tests|e2e)\b", (ROOT / "Makefile").read_text(encoding="utf-8")))


def test_the_table_says_something() -> None:
    assert len(PROMISES) > 100 and len(TESTS) > 150
    assert {document for document, *_ in PROMISES} == {"README.md", *(f"docs/{name}.md" for name in ("architecture", "contract", "load", "operations"))}
    assert all(tests for _, _, tests in PROMISES)


@pytest.mark.parametrize(("document", "words", "tests"), PROMISES, ids=[f"{document}: {words[:60]}" for document, words, _ in PROMISES])
def test_the_promise_still_stands(document: str, words: str, tests: list[str]) -> None:
    assert one_line(words) in prose(document), f"{document} says it in other words now; correct promises.yaml, and see that these still hold it: {tests}"


@pytest.mark.parametrize("test", TESTS)
def test_its_test_is_still_there(test: str) -> None:
    path, _, name = test.partition("::")
    name, _, case = name.rstrip("]").partition("[")
    file = ROOT / path
    assert file.is_file(), f"{path} is gone; which test holds the promise now?"
    if file.suffix == ".rs":
        assert name in rust_tests(file), f"{path} has no test {name}"
        return
    assert str(file.parent.relative_to(ROOT)) in folders_that_are_run(), f"the Makefile runs no tests of {file.parent.relative_to(ROOT)}"
    assert name in python_tests(file), f"{path} has no test {name}"
    assert "skip" not in python_tests(file)[name], f"{test} may be skipped, so it holds nothing"
    if case:
        assert "parametrize" in python_tests(file)[name]
        assert re.search(rf'^    "{re.escape(case)}": ', file.read_text(encoding="utf-8"), re.MULTILINE), f"{name} has no case {case}"


def test_every_error_of_the_readme_is_held() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n| error | means |\n")[2].partition("\n\n")[0]
    told = [name for line in table.splitlines() for name in re.findall(r"`([A-Z]\w+)`", line.split("|")[1])]
    held = [name for entry in TABLE for name in entry.get("errors", [])]
    assert len(told) > 20 and sorted(told) == sorted(held)
