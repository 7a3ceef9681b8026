"""What is to go wrong with an HTTP request, where: rules that wait for a request's line, and the answers that Azure and S3 give when they fail."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from faults.rules import Misuse

_BODY = ("cut", "reset", "shorten", "flip")


@dataclass(frozen=True)
class Answer:
    """What a server says instead of what it was asked for."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class HttpRule:
    """Waits for requests whose line `match` finds, lets the first `skip` of them pass and acts on the next `times` (None: on all).

    A line is `METHOD /path?query`, as they were sent, and behind them the range that is asked for, if one is: `GET /a/b.json bytes=0-99`.

    hold     keeps the request for `seconds`, runs `call()`, and lets it pass; another rule may act on it as well
    answer   gives `answer`; the server never has the request
    drop     loses the connection `before` the server has the request, or `after` it has answered: the client sees nothing of the answer
    reset    passes the first `at` bytes of the body and resets the connection
    cut      passes the first `at` bytes of the body and closes the connection, as a server does that ends in the middle
    shorten  passes the first `at` bytes of the body, and says that these are all
    flip     passes the body with one bit of the byte at `at` turned over
    """

    match: str | re.Pattern[str]
    do: Literal["hold", "answer", "drop", "reset", "cut", "shorten", "flip"]
    when: Literal["before", "after"] = "before"
    times: int | None = 1
    skip: int = 0
    answer: Answer | None = None
    at: int = 0
    seconds: float = 0.0
    call: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        if self.do not in ("hold", "answer", "drop", *_BODY) or self.when not in ("before", "after"):
            raise Misuse(f"no such rule: {self.do} {self.when}")
        if (self.do == "answer") != (self.answer is not None):
            raise Misuse(f"a rule that does {self.do} has the wrong answer")
        if (self.do == "hold") != (self.call is not None or self.seconds > 0):
            raise Misuse(f"a rule that does {self.do} has the wrong call or seconds")
        if self.when == "after" and self.do != "drop":
            raise Misuse(f"{self.do} has no after")
        if self.at and self.do not in _BODY:
            raise Misuse(f"{self.do} changes no body")

    @property
    def lets_others_act(self) -> bool:
        return self.do == "hold"

    @property
    def breaks_the_body(self) -> bool:
        return self.do in _BODY


def reading(name: str, start: int | None = None) -> str:
    """Finds the GETs of a blob's or an object's bytes by the end of its address as it is sent; from one byte on or from any."""
    return rf"\AGET \S*/{re.escape(name)}(\?(?!\S*\b(comp|restype|list-type)=)\S*)? bytes={'[0-9]+' if start is None else start}-"


def of_azure(status: int, code: str, retry_after: float | None = None) -> Answer:
    """An error as Blob storage gives it: its code in a header and in the body.
    Source: Status and error codes, Azure Storage REST API reference."""
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>From the fault rig.</Message></Error>'
    return Answer(status, {"Content-Type": "application/xml", "x-ms-error-code": code} | _retry_after(retry_after), body.encode())


def of_s3(status: int, code: str, retry_after: float | None = None) -> Answer:
    """An error as S3 gives it. Of CompleteMultipartUpload one may come with status 200, when S3 has begun its answer before it failed.
    Source: Error responses, and CompleteMultipartUpload, Amazon S3 API reference."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>From the fault rig.</Message><RequestId>rig</RequestId></Error>'
    return Answer(status, {"Content-Type": "application/xml"} | _retry_after(retry_after), body.encode())


def _retry_after(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry-After": f"{seconds:g}"}
