"""What can be wrong with a page. Each check gives sentences, none when all is well."""

import io
import json
from pathlib import Path

from laptop.paths import LINT_NPM
from playwright.sync_api import Browser, Page
from pypdf import PdfReader

from browser import rig

_AXE = LINT_NPM / "node_modules" / "axe-core" / "axe.min.js"
# Each size and each scheme once: what is too wide is so in light and dark, and what is too pale on a desk and on a phone.
_VARIANTS = [(rig.DESKTOP, "light"), (rig.PHONE, "dark")]
_OPEN_ALL = "document.querySelectorAll('details').forEach(details => { details.open = true })"
# What reaches over the right edge and is not inside something that scrolls by itself; the innermost ones.
_TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth
  if (document.scrollingElement.scrollWidth <= width) return []
  const scrolls = element => element && (element !== document.body && element !== document.documentElement
    && ['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(element).overflowX) || scrolls(element.parentElement))
  const wide = [...document.body.querySelectorAll('*')].filter(element => element.getBoundingClientRect().right > width + 0.5 && !scrolls(element))
  const inner = wide.filter(element => !wide.some(other => other !== element && element.contains(other)))
  return inner.slice(0, 5).map(element => `${element.tagName.toLowerCase()}.${element.getAttribute('class') || ''}: ${element.textContent.slice(0, 60)}`)
    .concat(`the page is ${document.scrollingElement.scrollWidth} wide`)
}"""

# Words of a drawing that reach out of it, and so are cut.
_CUT = """() => [...document.querySelectorAll('svg text')].filter(text => {
  const [inner, outer] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()]
  return inner.width > 0 && (inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1)
}).slice(0, 5).map(text => text.textContent)"""


def faults(browser: Browser, file: Path, most_printed: int | None = 2) -> list[str]:
    """Of a page on a desk and on a phone, as it opens and with all that folds unfolded; and in print."""
    found = []
    for size, scheme in _VARIANTS:
        with rig.opened(browser, file, size, scheme) as seen:
            found += _of_one(seen, file, f"{file.name}, {scheme}, {size[0]} px")
    if most_printed is not None:
        printed = pages_printed(browser, file)
        if printed > most_printed:
            found.append(f"{file.name}: prints on {printed} pages, not on {most_printed} at most")
    return found


def pages_printed(browser: Browser, file: Path) -> int:
    with rig.opened(browser, file) as seen:
        return len(PdfReader(io.BytesIO(seen.page.pdf(format="A4", print_background=True))).pages)


def _of_one(seen: rig.Seen, file: Path, what: str) -> list[str]:
    found = [f"{what}: {text}" for text in _too_wide(seen.page)]
    seen.page.evaluate(_OPEN_ALL)
    found += [f"{what}, unfolded: {text}" for text in _too_wide(seen.page)]
    found += [f"{what}: cut at the edge of its drawing: {text}" for text in seen.page.evaluate(_CUT)]
    found += [f"{what}: {text}" for text in _inaccessible(seen.page)]
    others = [url for url in seen.requests if url != file.resolve().as_uri() and not url.startswith("data:")]
    found += [f"{what}: asks for {url}" for url in others]
    found += [f"{what}: the console says {text}" for text in seen.said if text.startswith(("error", "warning"))]
    found += [f"{what}: opens a dialog, {text!r}" for text in seen.asked]
    return found


def _too_wide(page: Page) -> list[str]:
    return [f"too wide: {text}" for text in page.evaluate(_TOO_WIDE)]


def _inaccessible(page: Page) -> list[str]:
    page.evaluate(_AXE.read_text())
    violations = page.evaluate("() => axe.run(document, {resultTypes: ['violations']}).then(results => results.violations)")
    return [f"axe {violation['id']}, {violation['help']}: {_where(violation)}" for violation in violations]


def _where(violation: dict) -> str:
    nodes = [f"{json.dumps(node['target'])} {(node['any'] or node['all'] or node['none'] or [{'message': ''}])[0]['message']}" for node in violation["nodes"]]
    return "; ".join(nodes[:3]) + (f"; and {len(nodes) - 3} more" if len(nodes) > 3 else "")
