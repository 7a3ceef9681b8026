"""One headless browser for many pages. It reaches no network: a page is a file, and has to be whole by itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from laptop.setup import machine
from playwright.sync_api import Browser, Error, Page, sync_playwright

DESKTOP, PHONE = (1200, 800), (360, 740)
_ARGUMENTS = ["--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND", "--force-color-profile=srgb", "--font-render-hinting=none"]


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = _launch(playwright.chromium)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Seen:
    """A page that is open, and what it has done so far that can be seen from outside."""

    page: Page
    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@contextmanager
def opened(browser: Browser, file: Path, size: tuple[int, int] = DESKTOP, scheme: str = "light", scale: float = 1) -> Iterator[Seen]:
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        device_scale_factor=scale,
        reduced_motion="reduce",
        locale="en-US",
        timezone_id="UTC",
        offline=True,
    )
    try:
        seen = Seen(context.new_page())
        seen.page.on("request", lambda request: seen.requests.append(request.url))
        seen.page.on("console", lambda message: seen.said.append(f"{message.type}: {message.text}"))
        seen.page.on("pageerror", lambda error: seen.said.append(f"error: {error}"))
        seen.page.on("dialog", lambda dialog: (seen.asked.append(dialog.message), dialog.dismiss()))
        seen.page.goto(file.resolve().as_uri(), wait_until="load")
        yield seen
    finally:
        context.close()


def _launch(chromium) -> Browser:
    program = machine.recall()["browser"]
    # Root has no sandbox, nor has everybody whose kernel gives none to others.
    for sandbox in [True, False] if os.geteuid() != 0 else [False]:
        try:
            return chromium.launch(executable_path=program, args=_ARGUMENTS, chromium_sandbox=sandbox)
        except Error:
            if not sandbox:
                raise
    raise AssertionError("unreachable")
