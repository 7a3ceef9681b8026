"""The short form of `make test-faults`, which the tests of the whole stack play, names scenarios that there are."""

from faults import scenarios


def test_the_short_form_is_whole() -> None:
    assert len(scenarios.short()) == 8
