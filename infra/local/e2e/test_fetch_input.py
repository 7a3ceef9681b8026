"""What an execution is given and what a blob is called are data: they lead to the blob they name, or are refused by name."""

import re

import pytest
from faults.steps import StepFailed
from fetching import Fetching, records

# id: (the execution's input, the field that is named)
REFUSED = {
    "no-day-of-the-calendar": ({"date": "2026-02-30"}, "date"),
    "a-word": ({"date": "yesterday"}, "date"),
    "another-order": ({"date": "21.11.2026"}, "date"),
    "a-time": ({"date": "2026-11-21T00:00:00Z"}, "date"),
    "a-way-out": ({"date": "../../other/2026-11-21"}, "date"),
    "dots": ({"date": ".."}, "date"),
    "a-control-character": ({"date": "2026-11-21\n"}, "date"),
    "a-zero-byte": ({"date": "2026-11-21\0"}, "date"),
    "an-empty-text": ({"date": ""}, "date"),
    "a-number": ({"date": 20261121}, "date"),
    "a-schedule-that-is-no-time": ({"scheduledAt": "tonight"}, "scheduledAt"),
    "a-word-for-a-yes": ({"allowEmpty": "yes"}, "allowEmpty"),
    "a-number-for-a-yes": ({"skipUnchanged": 1}, "skipUnchanged"),
    "a-field-nobody-knows": ({"day": "2026-11-21"}, "day"),
    "a-field-in-another-case": ({"skipunchanged": True}, "skipunchanged"),
    "a-blob-of-ones-own": ({"blob": "../secret.json"}, "blob"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_input_that_is_none_is_refused_by_its_field(fetching: Fetching, case: str) -> None:
    given, field = REFUSED[case]
    fetching.configure(AZURE_BLOB="nights/{date}.json")

    with fetching.nothing_is_left(), pytest.raises(StepFailed) as failed:
        fetching.fetch(**given)

    assert failed.value.name == "InputInvalid"
    assert f"`{field}`" in failed.value.message
    assert re.search(r"[:;,] \w[^:;]{8,}$", failed.value.message), failed.value.message  # it ends with what to do
    assert failed.value.message.isprintable()
    assert fetching.azure.exchanges() == []  # nobody was asked for it


@pytest.mark.parametrize("template", ["{date:%H}.json", "{date:%Y", "{day}.json", "*/t.json", "{date:}.json", "{date}/../t.json"])
def test_a_template_that_is_none_is_refused(fetching: Fetching, template: str) -> None:
    fetching.configure(AZURE_BLOB=template)
    with fetching.nothing_is_left(), pytest.raises(StepFailed) as failed:
        fetching.fetch()
    assert failed.value.name == "ConfigInvalid"
    assert "AzureBlob" in failed.value.message


def test_a_day_that_no_name_depends_on_is_refused(fetching: Fetching) -> None:
    """It would seem to load that day, and load what there is."""
    with fetching.nothing_is_left(), pytest.raises(StepFailed) as failed:
        fetching.fetch(date="2026-11-21")
    assert (failed.value.name, "`date`" in failed.value.message) == ("InputInvalid", True), failed.value


NAMES = ["a b.json", "100%.json", "a%20b.json", "%41.json", "a#b.json", "a?b=c&d.json", "a+b.json", "Übersicht/日本 ☕.json", "e\u0301.json", "\u00e9.json"]


def test_a_blob_is_found_by_whatever_name_it_has(fetching: Fetching) -> None:
    contents = {name: fetching.put(records(1, name=f"n{at}"), name) for at, name in enumerate(NAMES)}
    uris = []
    for name, content in contents.items():
        fetching.configure(AZURE_BLOB=name)
        answer = fetching.fetch()
        assert fetching.raw(answer) == content, name
        uris.append(fetching.manifest(answer)["uri"])
    assert len(set(uris)) == len(NAMES), uris  # no two of them can be taken for each other


def test_blobs_of_any_name_are_found_below_a_prefix(fetching: Fetching) -> None:
    names = [f"all % names#/{name}" for name in NAMES]
    contents = {name: fetching.put(records(1, name=f"n{at}"), name) for at, name in enumerate(names)}
    fetching.configure(AZURE_BLOB="all % names#/")
    answer = fetching.fetch()
    in_order = sorted(names, key=str.encode)
    assert fetching.raw(answer) == b"".join(contents[name] for name in in_order)


def test_a_blob_that_is_not_there_is_named_readably(fetching: Fetching) -> None:
    fetching.configure(AZURE_BLOB="Übersicht/a b.json")
    with pytest.raises(StepFailed) as failed:
        fetching.fetch()
    assert failed.value.name == "SourceMissing"
    assert "bersicht/a" in failed.value.message and "b.json" in failed.value.message
