"""Two servers that cost next to nothing, so that the programs between them are the limit: files behind the ranged-GET subset of Blob storage, and an S3
that takes objects whole or in parts and forgets their bytes. Neither looks at a signature or a checksum; the kernel moves the bytes.

Sources: Get Blob, Get Blob Properties and List Blobs, Azure Storage REST API reference; PutObject, the multipart operations and ListObjectsV2, Amazon
S3 API reference; GetSecretValue, AWS Secrets Manager API reference.
"""

import base64
import hashlib
import html
import itertools
import json
import re
import threading
import time
import uuid
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

# Of what is smaller the bytes are kept: the manifests, which are read again.
KEPT_BYTES = 1 << 20
_CHUNK = 1 << 20
_REQUEST = str(uuid.UUID(int=0))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def say(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None, length: int | None = None) -> None:
        self.send_response_only(status)
        said = {"Date": formatdate(usegmt=True), "x-ms-request-id": _REQUEST, "x-amz-request-id": _REQUEST} | (headers or {})
        if status != 204:
            said["Content-Length"] = str(len(body) if length is None else length)
        for name, value in said.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @property
    def address(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        return unquote(parts.path), {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}

    def log_message(self, *_: object) -> None:
        """It would cost more than the answer."""


class BlobServer(_Server):
    """One file as one blob."""

    def __init__(self, file: Path, container: str, name: str, md5: str) -> None:
        super().__init__(_BlobHandler)
        self.file, self.container, self.name, self.size = file, container, name, file.stat().st_size
        modified = formatdate(file.stat().st_mtime, usegmt=True)
        self.headers = {
            "ETag": '"0x8BENCH"',
            "Last-Modified": modified,
            "x-ms-creation-time": modified,
            "x-ms-blob-type": "BlockBlob",
            "x-ms-version": "2021-08-06",
            "x-ms-server-encrypted": "true",
            "x-ms-lease-status": "unlocked",
            "x-ms-lease-state": "available",
            "Content-Type": "application/json",
            "Accept-Ranges": "bytes",
        }
        self.md5 = md5
        self.listing = (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs><Blob><Name>{html.escape(name)}</Name><Properties>'
            f"<Creation-Time>{modified}</Creation-Time><Last-Modified>{modified}</Last-Modified><Etag>0x8BENCH</Etag>"
            f"<Content-Length>{self.size}</Content-Length><Content-Type>application/json</Content-Type><Content-MD5>{md5}</Content-MD5>"
            "<BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
            "<ServerEncrypted>true</ServerEncrypted></Properties></Blob></Blobs><NextMarker /></EnumerationResults>"
        ).encode()


class _BlobHandler(_Handler):
    server: BlobServer

    def do_GET(self) -> None:
        path, query = self.address
        blob = self.server
        if path == blob.container and query.get("comp") == "list":
            self.say(200, blob.listing, {"Content-Type": "application/xml"})
        elif path != f"{blob.container}/{blob.name}":
            code = "BlobNotFound"
            self.say(404, f"<Error><Code>{code}</Code></Error>".encode(), {"x-ms-error-code": code, "Content-Type": "application/xml"})
        elif self.headers.get("If-Match", blob.headers["ETag"]) != blob.headers["ETag"]:
            self.say(412, headers={"x-ms-error-code": "ConditionNotMet"})
        else:
            self._content()

    do_HEAD = do_GET

    def _content(self) -> None:
        blob = self.server
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("x-ms-range") or self.headers.get("Range") or "")
        if not asked:
            start, length = 0, blob.size
            self.say(200, headers=blob.headers | {"Content-MD5": blob.md5}, length=length)
        else:
            start, last = int(asked[1]), min(int(asked[2] or blob.size), blob.size - 1)
            length = last + 1 - start
            if length <= 0:
                self.say(416, headers={"x-ms-error-code": "InvalidRange"})
                return
            part = {"Content-Range": f"bytes {start}-{last}/{blob.size}", "x-ms-blob-content-md5": blob.md5}
            self.say(206, headers=blob.headers | part, length=length)
        if self.command == "GET":
            with blob.file.open("rb") as content:
                self.connection.sendfile(content, start, length)


@dataclass
class Stored:
    size: int
    etag: str
    headers: dict[str, str]
    body: bytes | None  # of a small one
    written: float = field(default_factory=time.time)


class SinkServer(_Server):
    def __init__(self) -> None:
        super().__init__(_SinkHandler)
        self.secrets: dict[str, str] = {}
        self.objects: dict[str, Stored] = {}  # by bucket and key
        self.uploads: dict[str, tuple[dict[str, str], dict[int, int]]] = {}  # by their ids: headers, and the bytes of each part
        self.ids = itertools.count(1)

    def put(self, key: str, body: bytes) -> None:
        self.objects[key] = Stored(len(body), f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"', {}, body)

    def forget(self) -> None:
        self.objects.clear()
        self.uploads.clear()


class _SinkHandler(_Handler):
    server: SinkServer

    def do_PUT(self) -> None:
        path, query = self.address
        key, checksums = path.removeprefix("/"), self._kept_headers()
        size, body = self._take()
        if "uploadId" in query:
            _, parts = self.server.uploads[query["uploadId"]]
            parts[int(query["partNumber"])] = size
            self.say(200, headers={"ETag": f'"{int(query["partNumber"]):032x}"'} | checksums)
        elif self.headers.get("If-None-Match") == "*" and key in self.server.objects:
            self._fail(412, "PreconditionFailed")
        else:
            # The sum of what is not kept is taken from whoever sent it: a client may compare the ETag of a small object with its MD5.
            md5 = hashlib.md5(body, usedforsecurity=False).hexdigest() if body is not None else _hexadecimal(self.headers.get("Content-MD5")) or "0" * 32
            self.server.objects[key] = Stored(size, f'"{md5}"', checksums, body)
            self.say(200, headers={"ETag": f'"{md5}"'} | checksums)

    def do_POST(self) -> None:
        path, query = self.address
        key = path.removeprefix("/")
        _, body = self._take()
        if "X-Amz-Target" in self.headers:
            name = json.loads(body)["SecretId"]
            answer = {"Name": name, "SecretString": self.server.secrets[name]}
            self.say(200, json.dumps(answer).encode(), {"Content-Type": "application/x-amz-json-1.1"})
        elif "uploads" in query:
            upload = f"upload-{next(self.server.ids)}"
            self.server.uploads[upload] = (self._kept_headers(), {})
            self._xml("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>", self._kept_headers())
        else:
            headers, parts = self.server.uploads.pop(query["uploadId"])
            headers = {name: value for name, value in headers.items() if name != "x-amz-checksum-algorithm"} | self._kept_headers()
            etag = f'"{len(parts):032x}-{len(parts)}"'
            self.server.objects[key] = Stored(sum(parts.values()), etag, headers, None)
            crc = headers.get("x-amz-checksum-crc64nvme")
            said = f"<ChecksumCRC64NVME>{crc}</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>" if crc else ""
            self._xml("CompleteMultipartUploadResult", f"<Key>{html.escape(key)}</Key><ETag>{html.escape(etag)}</ETag>{said}")

    def do_GET(self) -> None:
        path, query = self.address
        key = path.removeprefix("/")
        if "list-type" in query or "/" not in key:
            prefix = f"{key.rstrip('/')}/{query.get('prefix', '')}"
            found = "".join(
                f"<Contents><Key>{html.escape(name.partition('/')[2])}</Key><Size>{stored.size}</Size><ETag>{html.escape(stored.etag)}</ETag>"
                f"<LastModified>{time.strftime('%Y-%m-%dT%H:%M:%S.000Z', time.gmtime(stored.written))}</LastModified></Contents>"
                for name, stored in sorted(self.server.objects.items())
                if name.startswith(prefix)
            )
            self._xml("ListBucketResult", f"<IsTruncated>false</IsTruncated>{found}")
            return
        stored = self.server.objects.get(key)
        if stored is None or (self.command == "GET" and stored.body is None):
            self._fail(404, "NoSuchKey")
            return
        headers = {"ETag": stored.etag, "Last-Modified": formatdate(stored.written, usegmt=True), "Content-Type": "application/octet-stream"}
        self.say(200, stored.body or b"", headers | stored.headers, length=stored.size)

    do_HEAD = do_GET

    def do_DELETE(self) -> None:
        path, query = self.address
        self.server.uploads.pop(query.get("uploadId"), None)
        if "uploadId" not in query:
            self.server.objects.pop(path.removeprefix("/"), None)
        self.say(204)

    def _take(self) -> tuple[int, bytes | None]:
        """The size of the body, and the body itself if it is small."""
        left = int(self.headers.get("Content-Length", 0))
        size = int(self.headers.get("x-amz-decoded-content-length", left))
        if left <= KEPT_BYTES:
            body = self.rfile.read(left)
            return size, _unchunked(body) if "aws-chunked" in self.headers.get("Content-Encoding", "") else body
        buffer = memoryview(bytearray(_CHUNK))
        while left and (taken := self.rfile.readinto(buffer[: min(left, _CHUNK)])):
            left -= taken
        if left:
            raise ConnectionError("closed in the middle of a body")
        return size, None

    def _kept_headers(self) -> dict[str, str]:
        """What S3 says again of an object or of a part of one."""
        again = ("x-amz-checksum-", "x-amz-meta-")
        return {name.lower(): value for name, value in self.headers.items() if name.lower().startswith(again)}

    def _xml(self, root: str, content: str, headers: dict[str, str] | None = None) -> None:
        text = f'<?xml version="1.0" encoding="UTF-8"?><{root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{content}</{root}>'
        self.say(200, text.encode(), {"Content-Type": "application/xml"} | (headers or {}))

    def _fail(self, status: int, code: str) -> None:
        self.say(status, b"" if self.command == "HEAD" else f"<Error><Code>{code}</Code></Error>".encode(), {"Content-Type": "application/xml"})


def _unchunked(body: bytes) -> bytes:
    """What stands in the chunks of `aws-chunked`."""
    out, at = b"", 0
    while size := int(body[at : body.index(b"\r\n", at)].split(b";")[0], 16):
        at = body.index(b"\r\n", at) + 2
        out += body[at : at + size]
        at += size + 2
    return out


def _hexadecimal(encoded: str | None) -> str | None:
    return base64.b64decode(encoded).hex() if encoded else None
