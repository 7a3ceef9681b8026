"""The PostgreSQL wire protocol, version 3, as far as a proxy must understand it: frames by their lengths, and where statement texts stand."""

import struct
from collections.abc import Iterator

SSL_REQUEST, GSSENC_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102

# What a client sends, by the letter a frame starts with.
PARSE, BIND, DESCRIBE, EXECUTE, CLOSE, SYNC, FLUSH, QUERY, FUNCTION_CALL = (ord(letter) for letter in "PBDECSHQF")
# What a server sends, where the proxy cares.
READY, PARSE_COMPLETE, COPY_IN, COPY_BOTH = (ord(letter) for letter in "Z1GW")

_LENGTH = struct.Struct("!I")


class Frames:
    """Cuts a stream into frames: a letter, the length of the rest, the rest."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames that are complete now, each with its letter."""
        buffer = self._buffer
        buffer += chunk
        start, end = 0, len(buffer)
        try:
            while end - start >= 5:
                stop = start + 1 + _LENGTH.unpack_from(buffer, start + 1)[0]
                if stop > end:
                    break
                frame = bytes(buffer[start:stop])
                start = stop
                yield frame[0], frame
        finally:
            del buffer[:start]

    def rest(self) -> bytes:
        """The frame that has not ended yet."""
        return bytes(self._buffer)


def frame(letter: int, payload: bytes) -> bytes:
    return bytes([letter]) + _LENGTH.pack(len(payload) + 4) + payload


def query(text: bytes) -> bytes:
    return frame(QUERY, text + b"\0")


def parse(name: bytes, text: bytes) -> bytes:
    """A statement without parameters."""
    return frame(PARSE, name + b"\0" + text + b"\0" + b"\0\0")


def text_of_query(query: bytes) -> bytes:
    return query[5:-1]


def name_and_text(parse: bytes) -> tuple[bytes, bytes]:
    name, text, _types = parse[5:].split(b"\0", 2)
    return name, text


def statement_of(bind: bytes) -> bytes:
    """The name of the prepared statement that a Bind runs."""
    _portal, name, _rest = bind[5:].split(b"\0", 2)
    return name


def parameters_of(bind: bytes) -> int:
    rest = bind[5:].split(b"\0", 2)[2]
    formats = int.from_bytes(rest[:2], "big")
    return int.from_bytes(rest[2 + 2 * formats :][:2], "big")


def bind_another(bind: bytes, name: bytes) -> bytes:
    """The same Bind, of another prepared statement."""
    portal, _name, rest = bind[5:].split(b"\0", 2)
    return frame(BIND, portal + b"\0" + name + b"\0" + rest)


def closed_statement(close: bytes) -> bytes | None:
    """The name of the prepared statement that a Close ends, unless it ends a portal."""
    return close[6:-1] if close[5:6] == b"S" else None
