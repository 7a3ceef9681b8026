"""Which blobs AzureBlob means on a day: the one of a name, or all below a prefix; either may hold the day, as {date} or {date:%Y/%m/%d}."""

import re
from dataclasses import dataclass
from datetime import date

_DATE = re.compile(r"\{date(?::([^{}]+))?\}")


@dataclass(frozen=True)
class Selection:
    text: str
    is_prefix: bool
    day: date | None  # that it depends on

    @classmethod
    def of(cls, pattern: str, today: date) -> "Selection":
        text = _DATE.sub(lambda found: today.strftime(found[1]) if found[1] else today.isoformat(), pattern)
        if "{" in text or "}" in text or "*" in text[:-1]:
            raise ValueError("it may hold {date} or {date:%Y/%m/%d}, and a star at its end, but no other brace or star")
        return cls(text.removesuffix("*"), text.endswith(("/", "*")), today if text != pattern else None)
