"""The Azure secret, read as fetch-azure-to-s3 reads it (azure.rs and its crate's connection strings). No message repeats a word of it."""

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from laptop.deployed import LOOPBACK
from laptop.doctor.findings import Finding, fail, ok, warn

_SOON = timedelta(days=7)
_COPY_AGAIN = "copy it from the storage account, Security + networking, Access keys or Shared access signature"
_FIELDS = {"AccountName", "AccountKey", "SharedAccessSignature", "EndpointSuffix", "DefaultEndpointsProtocol"}
_FIELDS |= {"UseDevelopmentStorage", "DevelopmentStorageProxyUri"}
_FIELDS |= {f"{service}{endpoint}" for service in ("Blob", "Table", "Queue", "File") for endpoint in ("Endpoint", "SecondaryEndpoint")}
# Whether they may be used for a blob, by the letters of a SAS: `sr` of one for a container or blob.
_BLOB_RESOURCES = {"b": "a blob", "bs": "a snapshot", "bv": "a version", "c": "a container", "d": "a directory"}


class Unusable(ValueError):
    """What is wrong and what to do, as two parts."""

    def __init__(self, what: str, advice: str = _COPY_AGAIN) -> None:
        super().__init__(what)
        self.finding = fail(what, advice)


@dataclass(frozen=True)
class Login:
    account: str
    endpoint: str
    key: str | None = field(default=None, repr=False)
    sas: str | None = field(default=None, repr=False)

    @property
    def is_encrypted(self) -> bool:
        return urlsplit(self.endpoint).scheme == "https"

    @property
    def is_local(self) -> bool:
        return urlsplit(self.endpoint).hostname in LOOPBACK

    @property
    def name(self) -> str:
        return self.account or urlsplit(self.endpoint).netloc


def parse(secret: str) -> Login:
    given = _fields(_connection_string(secret))
    account, sas, key = given.get("AccountName", ""), given.get("SharedAccessSignature"), given.get("AccountKey")
    if sas is None and (key is None or not account):
        raise Unusable("the connection string has neither an AccountName with its AccountKey nor a SharedAccessSignature", "copy the whole connection string")
    endpoint = given.get("BlobEndpoint", "").rstrip("/")
    if not endpoint:
        if not account:
            raise Unusable("the connection string has neither an AccountName nor a BlobEndpoint", "copy the whole connection string")
        endpoint = f"https://{account}.blob.{given.get('EndpointSuffix', 'core.windows.net')}"
    if urlsplit(endpoint).scheme not in ("http", "https"):
        raise Unusable("the BlobEndpoint of the connection string is no URL", "copy the whole connection string")
    # Like the function: with both, the SAS counts.
    if sas is not None:
        return Login(account, endpoint, sas=sas.removeprefix("?"))
    try:
        base64.b64decode(key, validate=True)
    except binascii.Error:
        raise Unusable("the AccountKey is no base64", "copy the connection string again") from None
    return Login(account, endpoint, key=key)


def examine(login: Login, now: datetime) -> Iterator[Finding]:
    """How long and for what it can be used, as far as it says so itself."""
    if not login.is_encrypted and not login.is_local:
        yield warn(f"the BlobEndpoint {login.endpoint} is not encrypted", "use its https address")
    if login.sas is None:
        yield ok(f"a connection string with the key of {login.name}")
    else:
        yield from _examine_sas(login, {name: values[0] for name, values in parse_qs(login.sas).items()}, now)


def _examine_sas(login: Login, sas: dict[str, str], now: datetime) -> Iterator[Finding]:
    flaws = list(_flaws(login, sas, now))
    yield from (fail(f"the SAS {what}", "make a new one for reading blobs, and put it into the secret") for what in flaws)
    if flaws:
        return
    if "sip" in sas:
        yield warn(f"the SAS is for the addresses {sas['sip']} only", "a function's address changes; make one without allowed IP addresses")
    expiry = _moment(sas.get("se", ""))
    if expiry is None:
        where = f"in the stored access policy {sas['si']}" if "si" in sas else "nowhere that can be read"
        yield warn(f"a connection string with a SAS of {login.name}, whose expiry stands {where}", "look it up, and renew it before")
    elif expiry - now < _SOON:
        yield warn(f"the SAS of {login.name} expires on {_shown(expiry)}, in {_left(expiry - now)}", "put a newer one into the secret before")
    else:
        yield ok(f"a connection string with a SAS of {login.name} that reads blobs and expires on {_shown(expiry)}, in {_left(expiry - now)}")


def _flaws(login: Login, sas: dict[str, str], now: datetime) -> Iterator[str]:
    """A SAS is either for an account (ss, srt) or for one thing in it (sr); a stored access policy (si) may state times and permissions in its place."""
    if "sig" not in sas:
        yield "has no signature"
    expiry, start = _moment(sas.get("se", "")), _moment(sas.get("st", ""))
    if expiry and expiry <= now:
        yield f"expired on {_shown(expiry)}"
    if start and start > now:
        yield f"is not valid before {_shown(start)}"
    if "r" not in sas.get("sp", "r" if "si" in sas else ""):
        yield "does not permit reading (sp has no r)"
    if "sr" not in sas and "b" not in sas.get("ss", ""):
        yield "is not for the blob service (ss has no b)"
    if "sr" not in sas and "o" not in sas.get("srt", ""):
        yield "is not for objects (srt has no o)"
    if "sr" in sas and sas["sr"] not in _BLOB_RESOURCES:
        yield "is not for blobs (sr)"
    if not login.is_encrypted and sas.get("spr") == "https":
        yield "permits https only, and the BlobEndpoint is http"


def _connection_string(secret: str) -> str:
    """The bare string, or {"connectionString": "…"}."""
    advice = 'store {"connectionString": "…"} or the bare string'
    if not secret.lstrip().startswith("{"):
        return secret.strip()
    try:
        text = json.loads(secret)["connectionString"]
    except (ValueError, KeyError):
        raise Unusable("it is JSON without connectionString", advice) from None
    if not isinstance(text, str):
        raise Unusable("its connectionString is no text", advice)
    return text.strip()


def _fields(text: str) -> dict[str, str]:
    given = {}
    for pair in filter(str.strip, text.split(";")):
        name, _, value = (part.strip() for part in pair.partition("="))
        if name not in _FIELDS or not value:
            raise Unusable("it is no Azure connection string")
        given[name] = value
    if given.get("DefaultEndpointsProtocol", "https") not in ("http", "https"):
        raise Unusable("the DefaultEndpointsProtocol of the connection string is neither http nor https", "copy the whole connection string")
    return given


def _moment(text: str) -> datetime | None:
    """ISO 8601, in UTC, from a date alone to fractions of a second."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _left(time: timedelta) -> str:
    return f"{time.days} days" if time.days > 1 else f"{time.total_seconds() / 3600:.0f} hours"
