"""The first source: the secret that opens it, and the blob itself."""

from datetime import UTC, datetime

from azure.core.credentials import AzureSasCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError, ServiceRequestError, ServiceResponseError
from azure.storage.blob import BlobClient

from laptop.deployed import Client
from laptop.doctor import azure_login, secrets
from laptop.doctor.azure_login import Login
from laptop.doctor.findings import FAIL, Finding, Look, fail, ok, warn
from laptop.doctor.stack import Functions

_FIRST_BYTES = 4096
_TIMEOUTS = {"connection_timeout": 10, "read_timeout": 30, "retry_total": 1}
# What a source may begin with, blanks aside: JSON, and what its encodings and compression put first (pipeline/src/source.rs).
_BLANKS, _BEGINNINGS = b" \t\r\n", (b"[", b"{", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b")


def secret(client: Client, functions: Functions) -> Look:
    text = yield from secrets.text(client, functions.fetches["AZURE_SECRET_ID"], "AzureSecretArn")
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
    container, name = functions.fetches["AZURE_CONTAINER"], functions.fetches["AZURE_BLOB"]
    uri = f"{login.endpoint}/{container}/{name}"
    credential = AzureSasCredential(login.sas) if login.sas is not None else {"account_name": login.account, "account_key": login.key}
    with BlobClient(login.endpoint, container, name, credential=credential, **_TIMEOUTS) as there:
        try:
            properties = there.get_blob_properties()
            if properties.size == 0:
                yield fail(f"{uri} is empty", "upload the transactions again")
                return None
            start = there.download_blob(offset=0, length=_FIRST_BYTES).readall()
        except ResourceNotFoundError as error:
            if error.error_code == "ContainerNotFound":
                yield fail(f"{uri} does not exist, for {login.name} has no container {container}", "create it, or correct the parameter AzureContainer")
            else:
                yield fail(f"{uri} does not exist", "upload the blob, or correct the parameters AzureContainer and AzureBlob")
            return None
        except (ClientAuthenticationError, HttpResponseError) as error:
            yield _refused(uri, error)
            return None
        except (ServiceRequestError, ServiceResponseError) as error:
            # Its text may quote an address, and a SAS stands in those.
            yield fail(f"{uri} cannot be reached from here, {type(error).__name__}", "look at the endpoint in the secret, the proxy and the account's firewall")
            return None
    if not start.lstrip(_BLANKS).startswith(_BEGINNINGS):
        yield warn(f"{uri} begins neither with [ nor with {{", "it must hold a JSON array of objects, or one object a line")
    yield ok(f"{uri}, {properties.size:,} bytes, of {properties.last_modified:%Y-%m-%d %H:%M:%S} UTC")
    return properties


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
