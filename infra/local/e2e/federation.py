"""Microsoft Entra ID and a storage account that trusts it, as far as a function with a federated credential sees them: who asks for a token is
looked at, and who asks for a blob must show the token. The blobs are Azurite's, and the assertion is the emulated STS's own."""

import base64
import json
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from faults.http_proxy import HttpProxy
from faults.http_rules import Answer, of_azure
from laptop import seed
from laptop.stack import Servers

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


class Authority:
    """The token endpoint of one tenant. Everything it gave stays good until it is revoked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []  # the forms, in order
        self.given: list[str] = []
        self.good: set[str] = set()
        self.refusal: tuple[int, dict] | None = None
        authority = self

        class Endpoint(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode(), strict_parsing=True)
                status, answer = authority.answer(self.path, {name: values[0] for name, values in form.items()})
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, dict]:
        self.asked.append(form)
        if self.refusal:
            return self.refusal
        wanted = {
            "grant_type": "client_credentials",
            "client_id": CLIENT,
            "scope": "https://storage.azure.com/.default",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }
        assertion = claims(form.get("client_assertion", ""))
        if path != f"/{TENANT}/oauth2/v2.0/token" or not wanted.items() <= form.items() or assertion.get("aud") != "api://AzureADTokenExchange":
            return 400, {"error": "invalid_request", "error_description": f"AADSTS900144: the rig was asked for {path} with {sorted(form)}"}
        token = f"token-{secrets.token_hex(24)}"
        self.given.append(token)
        self.good.add(token)
        return 200, {"token_type": "Bearer", "expires_in": 3599, "access_token": token}


class Account(HttpProxy):
    """A storage account that knows nobody but by the authority's tokens."""

    def __init__(self, stack: Servers, authority: Authority) -> None:
        azure = urlsplit(stack.endpoints.azure)
        super().__init__(azure.hostname, azure.port)
        self._authority, self._sas, self.role = authority, sas(), True

    def forward(self, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        shown = next((value for name, value in headers if name.lower() == "authorization"), "")
        if shown.removeprefix("Bearer ") not in self._authority.good:
            return of_azure(401, "InvalidAuthenticationInfo")
        if not self.role:
            return of_azure(403, "AuthorizationPermissionMismatch")
        rest = [(name, value) for name, value in headers if name.lower() != "authorization"]
        return super().forward(method, f"{path}{'&' if '?' in path else '?'}{self._sas}", rest, body)


@contextmanager
def federation(stack: Servers) -> Iterator[tuple[Authority, Account]]:
    authority = Authority()
    thread = threading.Thread(target=authority.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        with Account(stack, authority) as account:
            yield authority, account
    finally:
        authority.server.shutdown()
        authority.server.server_close()


def sas(good_for: timedelta = timedelta(days=30)) -> str:
    """A SAS that may read and list the container."""
    permission, now = ContainerSasPermissions(read=True, list=True), datetime.now(UTC)
    return generate_container_sas(
        seed.AZURE_ACCOUNT,
        seed.CONTAINER,
        account_key=seed.AZURE_KEY,
        permission=permission,
        start=now - timedelta(days=60),
        expiry=now + good_for,
    )


def claims(assertion: str) -> dict:
    """What a JWT says; nothing if it is none."""
    try:
        payload = assertion.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}
