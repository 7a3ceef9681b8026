"""The checks find what they are for: each of these pages has one thing wrong with it."""

from pathlib import Path

import pytest
from browser import checks
from playwright.sync_api import Browser

GOOD = (
    "<!doctype html><html lang=en><meta name=viewport content='width=device-width'><title>t</title><style>{style}</style><main><h1>t</h1>{body}</main></html>"
)


def page(folder: Path, body: str, style: str = "") -> Path:
    file = folder / "page.html"
    file.write_text(GOOD.format(body=body, style=style))
    return file


def test_a_good_page_has_no_fault(browser: Browser, tmp_path: Path) -> None:
    wide_but_scrolls = "<div style='overflow-x: auto' tabindex=0><p style='width: 5000px'>wide</p></div>"
    drawing = "<svg role=img aria-label=d width=100 height=20><text x=0 y=15>all of it</text></svg>"
    assert checks.faults(browser, page(tmp_path, wide_but_scrolls + drawing)) == []


@pytest.mark.parametrize(
    ("body", "style", "says"),
    [
        ("<p style='width: 5000px'>wide</p>", "", "too wide: p.: wide"),
        ("<details><summary>more</summary><p style='width: 5000px'>wide</p></details>", "", "unfolded: too wide"),
        ("<p>" + "x" * 10_000, "", "too wide"),
        ("<p style='color: #ddd'>pale</p>", "", "axe color-contrast"),
        ("<p>pale</p>", "@media (prefers-color-scheme: dark) { p { background: #111; color: #222 } }", "dark, 360 px: axe color-contrast"),
        ("<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>", "", "axe image-alt"),
        ("<img alt=x src='https://example.org/x.png'>", "", "asks for https://example.org/x.png"),
        ("<img alt=x src='other.png'>", "", "asks for file:///"),
        ("<script>console.error('oh')</script>", "", "the console says error: oh"),
        ("<script>throw new Error('oh')</script>", "", "the console says error: oh"),
        ("<script>alert('oh')</script>", "", "opens a dialog, 'oh'"),
        ("<svg role=img aria-label=d width=100 height=20><text x=80 y=15>only its begin</text></svg>", "", "cut at the edge of its drawing: only its begin"),
        ("<p>x</p>" * 200, "", "prints on"),
    ],
)
def test_what_is_wrong_is_found(browser: Browser, tmp_path: Path, body: str, style: str, says: str) -> None:
    assert [fault for fault in checks.faults(browser, page(tmp_path, body, style)) if says in fault]
