"""The first source: the secret that opens it, and the blob, or the blobs, themselves."""

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from azure.core.credentials import AzureSasCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceRequestError, ServiceResponseError
from azure.storage.blob import BlobProperties, ContainerClient

from laptop.deployed import Client
from laptop.doctor import azure_login, secrets
from laptop.doctor.azure_login import Login
from laptop.doctor.blob_names import Selection
from laptop.doctor.findings import FAIL, NOTHING, Finding, Look, fail, ok, skip, warn
from laptop.doctor.stack import Functions

_FIRST_BYTES = 4096
_TIMEOUTS = {"connection_timeout": 10, "read_timeout": 30, "retry_total": 1}
# What a source may begin with, blanks aside: JSON, and what its encodings and compression put first (pipeline/src/source.rs).
_BLANKS, _BEGINNINGS = b" \t\r\n", (b"[", b"{", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b")


def secret(client: Client, functions: Functions) -> Look:
    name = functions.fetches["AZURE_SECRET_ID"]
    if not name:
        yield skip("none is stored: the function comes with its own identity, which nobody else can try")
        return NOTHING
    text = yield from secrets.text(client, name, "AzureSecretArn")
    if text is None:
        return None
    try:
        login = azure_login.parse(text)
    except azure_login.Unusable as unusable:
        yield unusable.finding
        return None
    usable = True
    for finding in azure_login.examine(login, datetime.now(UTC)):
        usable &= finding.level != FAIL
        yield finding
    return login if usable else None


def blob(_: Client, functions: Functions, login: Login) -> Look:
    container, pattern = functions.fetches["AZURE_CONTAINER"], functions.fetches["AZURE_BLOB"]
    zone = functions.fetches.get("SCHEDULE_TIMEZONE", "")
    try:
        wanted = Selection.of(pattern, datetime.now(ZoneInfo(zone) if zone else UTC).date())
    except ZoneInfoNotFoundError:
        yield fail(f"there is no time zone {zone} on this machine", "correct the parameter ScheduleTimezone, or install the time zones (tzdata)")
        return None
    except ValueError as error:
        yield fail(f"AzureBlob is {pattern}", str(error))
        return None
    uri = f"{login.endpoint}/{container}/{wanted.text}"
    credential = AzureSasCredential(login.sas) if login.sas is not None else {"account_name": login.account, "account_key": login.key}
    with ContainerClient(login.endpoint, container, credential=credential, **_TIMEOUTS) as there:
        try:
            found = list(_blobs(there, wanted))
            if not any(properties.size for properties in found):
                yield missing(uri, wanted, found, functions)
                return None
            first = next(properties for properties in found if properties.size)
            start = there.download_blob(first.name, offset=0, length=_FIRST_BYTES).readall()
        except ResourceNotFoundError as error:
            if error.error_code == "ContainerNotFound":
                yield fail(f"{uri} does not exist, for {login.name} has no container {container}", "create it, or correct the parameter AzureContainer")
            else:
                yield missing(uri, wanted, [], functions)
            return None
        except HttpResponseError as error:
            yield _refused(uri, error)
            return None
        except (ServiceRequestError, ServiceResponseError) as error:
            # Its text may quote an address, and a SAS stands in those.
            yield fail(f"{uri} cannot be reached from here, {type(error).__name__}", "look at the endpoint in the secret, the proxy and the account's firewall")
            return None
    if not start.lstrip(_BLANKS).startswith(_BEGINNINGS):
        yield warn(f"{first.name} in {container} begins neither with [ nor with {{", "it must hold a JSON array of objects, or one object a line")
    size, latest = sum(properties.size for properties in found), max(properties.last_modified for properties in found)
    many = f"{len(found):,} blobs, " if wanted.is_prefix else ""
    yield ok(f"{uri}, {many}{size:,} bytes, of {latest:%Y-%m-%d %H:%M:%S} UTC")
    return found


def _blobs(there: ContainerClient, wanted: Selection) -> Iterator[BlobProperties]:
    if not wanted.is_prefix:
        yield there.get_blob_client(wanted.text).get_blob_properties()
        return
    for properties in there.list_blobs(name_starts_with=wanted.text, include=["metadata"]):
        # Accounts with folders list those, too.
        if not (properties.metadata or {}).get("hdi_isfolder"):
            yield properties


def missing(uri: str, wanted: Selection, found: list[BlobProperties], functions: Functions) -> Finding:
    if found:
        return fail(f"{uri} is empty", "upload the transactions again")
    what = f"{uri} holds no blob" if wanted.is_prefix else f"{uri} does not exist"
    if functions.fetches.get("ALLOW_EMPTY") == "true":
        return warn(what, "a run now would end well without a row, for AllowEmpty is true; upload the transactions if that is not meant")
    of_the_day = f" of {wanted.day}" if wanted.day else ""
    return fail(what, f"upload the transactions{of_the_day}, or correct the parameters AzureContainer and AzureBlob")


def _refused(uri: str, error: HttpResponseError) -> Finding:
    # The package knows some codes as members of an enumeration, the others as plain text.
    code = getattr(error.error_code, "value", error.error_code) or f"status {error.status_code}"
    match code:
        case "AuthenticationFailed":
            advice = "the key or SAS in the secret is wrong or was renewed; put the account's present one there"
        case "AuthorizationPermissionMismatch" | "AuthorizationResourceTypeMismatch" | "AuthorizationServiceMismatch" | "InsufficientAccountPermissions":
            advice = "the SAS in the secret lacks the permission to read blobs; make a new one"
        case "AuthorizationFailure":
            advice = "the account's firewall keeps this machine out (Networking), or the key or SAS in the secret is wrong; correct either"
        case "BlobArchived":
            advice = "rehydrate it from the archive tier, or upload it again"
        case _:
            advice = "look the code up, and correct the secret or the account"
    return fail(f"{uri} may not be read, {code}", advice)
