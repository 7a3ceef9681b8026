"""A browser for the tests of the pages: the machine's, else Debian's Chromium, unpacked with what it needs and the machine lacks. No run needs it."""

import platform
import shutil
from pathlib import Path

from laptop.failure import Failure
from laptop.paths import BROWSER
from laptop.setup import debian, machine, stamp

NAME, TITLE = "browser", "browser for the tests of the pages"  # the program
# The one without windows; the others draw in the same way when they are told to show none.
_PACKAGE = "chromium-headless-shell"
_PROGRAMS = (_PACKAGE, "chromium", "chromium-browser", "google-chrome")
_ON_MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
# Latin, Greek, Cyrillic, Arabic and Hebrew in 3 MB, and the widest letters there are: what fits with it fits with any.
_FONTS = "fonts-dejavu-core"

_FONTS_CONF = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{fonts}</dir>
  <cachedir>{cache}</cachedir>
  <alias><family>serif</family><prefer><family>DejaVu Serif</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
  <alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
  <match target="pattern"><edit name="family" mode="append_last"><string>DejaVu Sans</string></edit></match>
</fontconfig>
"""

_LAUNCHER = """#!/bin/sh
export LD_LIBRARY_PATH='{libraries}' FONTCONFIG_FILE='{fonts_conf}'
exec '{program}' "$@"
"""


def find() -> str | None:
    if machine.PINNED_ONLY:
        return None
    if platform.system() == "Darwin":
        return str(_ON_MACOS) if _ON_MACOS.exists() else None
    return next((program for name in _PROGRAMS if (program := shutil.which(name))), None)


def install() -> str:
    launcher = BROWSER / "chromium"
    stamp.ensure(launcher, [_PACKAGE, _FONTS, _FONTS_CONF, _LAUNCHER], lambda: _unpack(launcher))
    return str(launcher)


def _unpack(launcher: Path) -> None:
    if shutil.which("apt-get") is None:
        raise Failure("SetupFailed", "there is no browser for the tests of the pages, and no apt-get to get Debian's: install Chromium or Chrome")
    shutil.rmtree(BROWSER, ignore_errors=True)
    debian.unpack_with_dependencies(_PACKAGE, BROWSER / "debian")
    debian.unpack(_FONTS, BROWSER / "fonts")
    # Only these fonts, whatever the machine has: a page then looks the same everywhere.
    fonts_conf = BROWSER / "fonts.conf"
    fonts_conf.write_text(_FONTS_CONF.format(fonts=BROWSER / "fonts" / "usr" / "share" / "fonts", cache=BROWSER / "fonts-cache"))
    libraries = sorted({str(library.parent) for library in (BROWSER / "debian").rglob("lib*.so*") if library.parent.name != "chromium"})
    program = BROWSER / "debian" / "usr" / "lib" / "chromium" / _PACKAGE
    launcher.write_text(_LAUNCHER.format(libraries=":".join(libraries), fonts_conf=fonts_conf, program=program))
    launcher.chmod(0o755)
