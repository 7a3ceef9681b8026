"""The ways into the storage account: a key, a SAS that ends, a secret that is renewed in the middle, and no secret at all. None of them is ever in a log."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, quote, unquote

import pytest
from faults.http_rules import HttpRule, of_azure, reading
from faults.steps import StepFailed
from federation import CLIENT, TENANT, Account, Authority, claims, federation, sas
from fetching import LARGE, RANGE_BYTES, Fetching, records
from laptop import seed


@pytest.fixture
def federated(fetching: Fetching) -> Iterator[tuple[Authority, Account]]:
    """The function without a secret."""
    with federation(fetching.world.stack) as (authority, account):
        fetching.configure(**variables(authority, account))
        yield authority, account


def variables(authority: Authority, account: Account) -> dict[str, str]:
    return {
        "AZURE_SECRET_ID": "",
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_ACCOUNT": seed.AZURE_ACCOUNT,
        "AZURE_BLOB_ENDPOINT": f"{account.url}/{seed.AZURE_ACCOUNT}",
        "AZURE_AUTHORITY_HOST": authority.url,
    }


def with_sas(fetching: Fetching, text: str) -> str:
    """A connection string as the portal shows it beside a SAS."""
    return f"BlobEndpoint={fetching.azure.url}/{seed.AZURE_ACCOUNT}/;SharedAccessSignature={text}"


def signature(text: str) -> str:
    return parse_qs(text)["sig"][0]


# With a secret


@pytest.mark.parametrize("form", ["bare", "json"])
@pytest.mark.parametrize("kind", ["key", "sas"])
def test_a_connection_string_in_either_form_opens_the_account(fetching: Fetching, form: str, kind: str) -> None:
    content = fetching.put(records(1))
    text = fetching.connection_string if kind == "key" else with_sas(fetching, sas())
    fetching.world.put_secret(text if form == "bare" else json.dumps({"connectionString": text}))
    answer = fetching.fetch()
    assert fetching.raw(answer) == content
    assert "sig=" not in fetching.manifest(answer)["uri"]


def test_a_sas_that_ends_soon_is_warned_about(fetching: Fetching) -> None:
    soon, late = timedelta(days=3), timedelta(days=9)
    for good_for in (soon, late):
        fetching.put(records(1))
        fetching.world.put_secret(with_sas(fetching, sas(good_for)))
        fetching.fetch(run_id := fetching.run_id())
        day = f"{datetime.now(UTC) + good_for:%Y-%m-%d}"
        warnings = [line for line in lines_of(fetching, run_id) if day in line and json.loads(line)["level"] == "WARN"]
        assert bool(warnings) is (good_for == soon), warnings


def test_a_sas_that_has_ended_is_said_with_its_day(fetching: Fetching) -> None:
    ago = timedelta(days=-2)
    fetching.world.put_secret(with_sas(fetching, sas(ago)))
    with fetching.nothing_is_left(), pytest.raises(StepFailed) as failed:
        fetching.fetch()
    assert failed.value.name == "SourceForbidden"
    assert f"{datetime.now(UTC) + ago:%Y-%m-%d}" in failed.value.message
    assert re.search(r"[:;,] \w[^:;]{8,}$", failed.value.message), failed.value.message


def test_a_secret_that_is_renewed_while_the_blob_is_read_is_read_again(fetching: Fetching) -> None:
    """The old SAS is refused from the second range on, and by then the secret holds the new one."""
    content = fetching.put(records(LARGE))
    old, new = (sas(timedelta(days=days)) for days in (20, 40))
    fetching.world.put_secret(with_sas(fetching, old))
    with_the_old = rf"sig={re.escape(parse_sig(old))}"
    second = HttpRule(rf"{reading(seed.BLOB, RANGE_BYTES)}", "hold", call=lambda: fetching.world.put_secret(with_sas(fetching, new)))
    refused = HttpRule(rf"^GET (?=\S*{with_the_old})\S* bytes=(?!0-)", "answer", answer=of_azure(403, "AuthenticationFailed"), times=None)
    fetching.azure.script([second, refused])

    answer = fetching.fetch()

    assert fetching.raw(answer) == content
    assert fetching.azure.fired()[0] == 1 and fetching.azure.fired()[1] >= 1
    assert fetching.azure.exchanges(re.escape(parse_sig(new)))
    assert len([exchange for exchange in fetching.gets() if exchange.range.startswith("bytes=0-")]) == 1  # it goes on where it was


def test_a_secret_that_was_not_renewed_is_refused_at_once(fetching: Fetching) -> None:
    fetching.put(records(LARGE))
    refused = HttpRule(reading(seed.BLOB, RANGE_BYTES), "answer", answer=of_azure(403, "AuthenticationFailed"), times=None)
    fetching.azure.script([refused])
    with fetching.nothing_is_left(), pytest.raises(StepFailed) as failed:
        fetching.fetch()
    assert failed.value.name == "SourceForbidden"
    assert fetching.azure.fired()[0] <= 2


# Without one


def test_a_function_without_a_secret_reads_by_its_own_identity(fetching: Fetching, federated: tuple[Authority, Account]) -> None:
    authority, account = federated
    content = fetching.put(records(LARGE))

    answer = fetching.fetch()

    assert fetching.raw(answer) == content
    # One exchange is enough for all of it.
    assert len(authority.asked) == len(authority.given) == 1
    assert claims(authority.asked[0]["client_assertion"])["aud"] == "api://AzureADTokenExchange"
    assert {exchange.headers["authorization"] for exchange in account.exchanges()} == {f"Bearer {authority.given[0]}"}
    assert fetching.azure.exchanges() == []
    assert fetching.manifest(answer)["uri"].startswith(account.url)


def test_a_token_that_ends_while_the_blob_is_read_is_renewed(fetching: Fetching, federated: tuple[Authority, Account]) -> None:
    authority, account = federated
    content = fetching.put(records(LARGE))
    account.script([HttpRule(reading(seed.BLOB, 2 * RANGE_BYTES), "hold", call=authority.good.clear)])

    assert fetching.raw(fetching.fetch()) == content

    assert account.fired() == [1]
    assert len(authority.given) == 2


REFUSALS = {
    "another-subject": (
        (401, {"error": "invalid_client", "error_description": "AADSTS700213: No matching federated identity record found."}),
        "SourceForbidden",
    ),
    "another-tenant": ((400, {"error": "invalid_request", "error_description": "AADSTS90002: Tenant not found."}), "SourceForbidden"),
    "another-app": ((400, {"error": "unauthorized_client", "error_description": "AADSTS700016: Application not found."}), "SourceForbidden"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_an_authority_that_refuses_is_quoted_by_its_number(fetching: Fetching, federated: tuple[Authority, Account], case: str) -> None:
    authority, account = federated
    authority.refusal, name = REFUSALS[case]
    with fetching.nothing_is_left(), pytest.raises(StepFailed) as failed:
        fetching.fetch()
    number = authority.refusal[1]["error_description"].split(":")[0]
    assert (failed.value.name, number in failed.value.message) == (name, True), failed.value
    assert re.search(r"[:;,] \w[^:;]{8,}$", failed.value.message), failed.value.message
    assert authority.asked[0]["client_assertion"] not in failed.value.message
    assert account.exchanges() == []


def test_an_identity_without_a_role_is_told_which(fetching: Fetching, federated: tuple[Authority, Account]) -> None:
    _, account = federated
    account.role = False
    with fetching.nothing_is_left(), pytest.raises(StepFailed) as failed:
        fetching.fetch()
    assert (failed.value.name, "Storage Blob Data Reader" in failed.value.message) == ("SourceForbidden", True), failed.value


# What is in the logs


def test_no_log_at_any_level_holds_a_credential(fetching: Fetching) -> None:
    stack = fetching.world.stack
    text = sas()
    fetching.put(records(LARGE))
    run_ids = [fetching.run_id() for _ in range(4)]

    fetching.configure(LOG_LEVEL="trace")
    fetching.fetch(run_ids[0])
    # With retries on the way, since errors quote the address they came from; and a refusal, since it says what was sent.
    fetching.world.put_secret(with_sas(fetching, text))
    fetching.put(records(LARGE))
    fetching.azure.script([HttpRule(reading(seed.BLOB), "reset", at=1000), HttpRule(reading(seed.BLOB), "drop"), HttpRule("^HEAD", "drop")])
    fetching.fetch(run_ids[1])
    assert fetching.azure.fired() == [1, 1, 1]
    fetching.put(records(1))
    fetching.azure.script([HttpRule(reading(seed.BLOB), "answer", answer=of_azure(403, "AuthenticationFailed"), times=None)])
    with pytest.raises(StepFailed):
        fetching.fetch(run_ids[2])
    with federation(stack) as (authority, account):
        fetching.configure(LOG_LEVEL="trace", **variables(authority, account))
        fetching.put(records(LARGE))
        account.script([HttpRule(reading(seed.BLOB), "reset", at=1000)])
        fetching.fetch(run_ids[3])
        tokens = authority.given + [form["client_assertion"] for form in authority.asked]

    logs = "\n".join(line for run_id in run_ids for line in lines_of(fetching, run_id)) + fetching.logs()
    logs += "".join(file.read_text(errors="replace") for file in stack.logs.iterdir())
    assert len(tokens) == 2
    for word in (seed.AZURE_KEY, signature(text), parse_sig(text), unquote(text), "SharedKey ", "Bearer ", *tokens):
        assert word not in logs


def parse_sig(text: str) -> str:
    """The signature as it stands in the function's requests: encoded whole, where the SAS may leave a / as it is."""
    return quote(unquote(re.search(r"(?:^|&)sig=([^&]+)", text)[1]), safe="")


def lines_of(fetching: Fetching, run_id: str) -> list[str]:
    """What the function has said of a run, which arrives when its call has ended."""
    deadline = time.monotonic() + 10
    while True:
        lines = [line for line in fetching.logs().splitlines() if run_id in line]
        if lines or time.monotonic() > deadline:
            assert lines, f"no line of {run_id}"
            return lines
        time.sleep(0.1)
