"""The pages of sample reports, and of one whose data means harm."""

import itertools
from pathlib import Path

import pytest
from browser import checks, rendered, rig
from playwright.sync_api import Browser

# Those of a day's ordinary run; others may be as long as they have to.
ORDINARY = {"balanced", "failed", "nothing", "planned"}
SCRIPT = "<script>window.harmed = true; alert('harm')</script><img src=x onerror='window.harmed = true'></td></table><style>body { display: none }</style>"
# Each is spread over all texts of a report.
HOSTILE = {
    "executes": [SCRIPT, "javascript:window.harmed=true", '"><svg onload="window.harmed=true">', "&lt;b&gt;{{ 7 * 7 }}"],
    "breaks": ["x" * 10_000, "\u202e\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u2066<b>\u202d" * 20, "a b " * 2_500],
}


def test_the_reports_are_there() -> None:
    assert set(rendered.names()) >= ORDINARY


@pytest.mark.parametrize("name", rendered.names())
def test_the_page_is_sound(name: str, browser: Browser, tmp_path: Path) -> None:
    pages = rendered.render(rendered.report(name), tmp_path, name)
    assert checks.faults(browser, pages.page, most_printed=2 if name in ORDINARY else None) == []


def test_the_index_is_sound(browser: Browser, tmp_path: Path) -> None:
    pages = rendered.render(rendered.report("balanced"), tmp_path, "balanced")
    assert checks.faults(browser, pages.index) == []


def test_a_wide_table_is_shown_too(browser: Browser, tmp_path: Path) -> None:
    wide = rendered.report("balanced")
    for part in ("columns", "quarantine", "sums", "sources"):
        wide[part] = [one | {"name": f"{one.get('name')}_{time}"} for time in range(3) for one in wide[part]]
    pages = rendered.render(wide, tmp_path, "wide")
    assert checks.faults(browser, pages.page, most_printed=None) == []


@pytest.mark.parametrize("kind", HOSTILE)
def test_data_that_means_harm_does_none(kind: str, browser: Browser, tmp_path: Path) -> None:
    pages = rendered.render(_with_every_text(rendered.report("failed"), HOSTILE[kind]), tmp_path, "hostile")
    for file in (pages.page, pages.index):
        assert checks.faults(browser, file, most_printed=None) == []
        with rig.opened(browser, file) as seen:
            assert seen.page.evaluate("window.harmed") is None
            assert seen.page.evaluate("document.scripts.length") == 0
            assert seen.page.evaluate("[...document.links].filter(link => link.protocol === 'javascript:').length") == 0
            assert seen.page.evaluate("getComputedStyle(document.body).display") != "none"


def test_a_record_is_shown_as_it_is(browser: Browser, tmp_path: Path) -> None:
    pages = rendered.render(_with_every_text(rendered.report("failed"), [SCRIPT]), tmp_path, "hostile")
    with rig.opened(browser, pages.page) as seen:
        assert "<script>window.harmed" in seen.page.evaluate("document.body.textContent")


def _with_every_text(report: dict, texts: list[str]) -> dict:
    """In place of every text, names and addresses too, but for those that are told apart by their value."""
    kept = {"format", "outcome", "started_at", "ended_at", "modified_at"}
    next_text = itertools.cycle(texts)

    def harmed(value: object, name: str = "") -> object:
        match value:
            case dict():
                return {key: harmed(inner, key) for key, inner in value.items()}
            case list():
                return [harmed(inner, name) for inner in value]
            case str() if name not in kept:
                return next(next_text)
        return value

    return harmed(report)
