"""One browser for all tests here."""

from collections.abc import Iterator

import pytest
from browser import rig
from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with rig.browser() as browser:
        yield browser
