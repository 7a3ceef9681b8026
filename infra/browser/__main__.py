"""`python -m browser check PAGE...` says what is wrong with pages, and ends with 1 if anything is; `python -m browser shots [FOLDER]` takes pictures
of the pages of sample reports."""

import argparse
import sys
import tempfile
from pathlib import Path

from laptop.paths import ROOT

from browser import checks, rendered, rig, shots

_SHOWN = ("balanced", "failed", "nothing")


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="browser", description="What a browser makes of the pages.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="what is wrong with pages")
    check.add_argument("pages", nargs="+", type=Path)
    check.add_argument("--any-length", action="store_true", help="however many pages they print on")
    take = commands.add_parser("shots", help="take pictures of the pages of sample reports")
    take.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs" / "report")
    given = parser.parse_args(words)
    with rig.browser() as browser:
        if given.command == "check":
            found = [fault for page in given.pages for fault in checks.faults(browser, page, None if given.any_length else 2)]
        else:
            with tempfile.TemporaryDirectory() as folder:
                pages = [rendered.render(rendered.report(name), Path(folder), name).page for name in _SHOWN]
                taken = shots.take(browser, pages, given.folder)
            found = shots.too_large(taken)
    for fault in found:
        print(fault)
    return 1 if found else 0


sys.exit(main(sys.argv[1:]))
