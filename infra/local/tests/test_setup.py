"""Stamps: what stands is not made again, what was interrupted or changed is."""

from pathlib import Path

import pytest
from laptop.setup import stamp


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stamp, "STATE", tmp_path)
    monkeypatch.setattr(stamp, "STAMPS", tmp_path / "stamps")
    times = []

    def ensure(content: str, fails: bool = False) -> int:
        def make() -> None:
            times.append(content)
            (tmp_path / "part").mkdir(exist_ok=True)
            (tmp_path / "part" / "tool").write_text(content)
            if fails:
                raise KeyboardInterrupt

        stamp.ensure(tmp_path / "part" / "tool", [content], make)
        return len(times)

    return ensure


def test_what_stands_is_not_made_again(made) -> None:
    assert [made("a"), made("a")] == [1, 1]


def test_changed_content_is_made_again(made) -> None:
    assert [made("a"), made("b"), made("b")] == [1, 2, 2]


def test_an_interrupted_part_is_made_again(made) -> None:
    with pytest.raises(KeyboardInterrupt):
        made("a", fails=True)
    assert [made("a"), made("a")] == [2, 2]


def test_an_interrupted_change_does_not_leave_the_old_stamp(made) -> None:
    made("a")
    with pytest.raises(KeyboardInterrupt):
        made("b", fails=True)
    assert made("a") == 3


def test_a_part_that_was_deleted_is_made_again(made, tmp_path: Path) -> None:
    made("a")
    (tmp_path / "part" / "tool").unlink()
    assert made("a") == 2
