"""Pictures of pages: each in light, in dark and on a phone."""

import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from browser import rig

MOST_BYTES, MOST_BYTES_IN_ALL = 200 * 1024, 1024 * 1024
_VIEWS = {"light": (rig.DESKTOP, "light", 1), "dark": (rig.DESKTOP, "dark", 1), "phone": (rig.PHONE, "light", 1)}
# A palette holds 256 colours. They are chosen by coverage, because the median cut gives small areas of a chart the colours of larger ones.
_COLOURS, _METHOD = 256, Image.Quantize.MAXCOVERAGE


def take(browser: Browser, pages: Iterable[Path], folder: Path) -> list[Path]:
    """Whole pages, from top to bottom, small enough to be kept in the repository."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    for page in pages:
        for view, (size, scheme, scale) in _VIEWS.items():
            with rig.opened(browser, page, size, scheme, scale) as seen:
                picture = Image.open(io.BytesIO(seen.page.screenshot(full_page=True))).convert("RGB")
            target = folder / f"{page.stem}-{view}.png"
            picture.quantize(_COLOURS, _METHOD, dither=Image.Dither.NONE).save(target, optimize=True)
            taken.append(target)
    return taken


def too_large(taken: list[Path]) -> list[str]:
    sizes = {file.name: file.stat().st_size for file in taken}
    found = [f"{name} has {size:,} bytes" for name, size in sizes.items() if size > MOST_BYTES]
    return found + ([f"all have {sum(sizes.values()):,} bytes"] if sum(sizes.values()) > MOST_BYTES_IN_ALL else [])
