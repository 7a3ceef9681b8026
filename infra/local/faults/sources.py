"""Three small versions of the transactions, v1 < v2 < v3, for the shipped contract, with the truth about each record known because it was made
from it: the loader's rules are not computed again here. Nothing is drawn at random, so that a failure can be talked about by its key.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

from faults.model import Record, Rejection, SourceVersion, Values

CUSTOMERS = Path(__file__).resolve().parents[3] / "samples" / "customers.csv"

# Which keys a version mentions, and with which edition of their content.
UNCHANGED = range(1, 9)  # in all versions the same
CHANGED = range(9, 19)  # in each version another
RETURNING = range(19, 21)  # v3 has what v1 had
SKIPPED = range(21, 23)  # changed, and not in v2
ONLY = {1: range(23, 26), 2: range(26, 29), 3: range(29, 32)}
FROM_THE_SECOND = range(32, 35)
UP_TO_THE_SECOND = range(35, 38)
NEVER_CLEAN = 90

# Of some keys just one column changes: to and from null, by a microsecond, from a matched to an unmatched customer.
PRODUCT_CHANGES, TIME_CHANGES, CUSTOMER_CHANGES = 16, 17, 18
QUARANTINED_IN_V2 = 13  # its only record there: what v1 said must stand until v3
CORRECTED_BADLY = {1: 14, 3: 15}  # a clean record and, behind it, one for the quarantine: the clean one must stand

AMOUNTS = ["0.00", "0.01", "0.10", "1234567890123456.78", "9999999999999999.99", "19.99", "100.00", "4503599627370496.01"]  # no float keeps them all
PRODUCTS = ["Laptop 14", None, '27" Monitor', "Ink\\Toner Set", "Crème brûlée set", "抹茶セット", "Sticker 😀", "O'Neill, Jr.\nSecond line"]
CUSTOMER_IDS = ["C000001", "C000002", "C000005", "C000003", "C000007", "C999999", "C000014"]  # C000003 is in the quarantine, C999999 unknown


@dataclass(frozen=True)
class Source:
    """A source version, and the bytes to upload. Upload them in this order, since the store's clock says which is newer."""

    version: SourceVersion
    body: bytes


def versions(customers: Path = CUSTOMERS) -> list[Source]:
    kept, rejected = read_customers(customers)
    return [_source(number, kept, rejected) for number in (1, 2, 3)]


def _source(number: int, customers: dict[str, Values], rejected: tuple[Rejection, ...]) -> Source:
    body, records, rejections = bytearray(b"["), [], []
    for text, key, values, rule in _entries(number, customers):
        body += b",\n" if len(body) > 1 else b"\n"
        offset = len(body)
        body += text.encode()
        if rule:
            column, broken = rule.split(".")
            rejections.append(Rejection("transactions", offset, broken, column))
        else:
            records.append(Record(offset, key, values))
    version = SourceVersion(f"v{number}", number, tuple(records), tuple(rejections), rejected)
    return Source(version, bytes(body) + b"\n]\n")


def _entries(number: int, customers: dict[str, Values]) -> Iterator[tuple[str, str, Values, str | None]]:
    """Each record's text, key, values and, if it is for the quarantine, rule."""

    def clean(key: int, edition: int) -> tuple[str, str, Values, None]:
        members, values = _content(key, edition, customers)
        return _object(members), _key(key), values, None

    def broken(key: int, rule: str, **members: str) -> tuple[str, str, Values, str]:
        return _object(_content(key, number + 60, customers)[0] | members), _key(key), {}, rule

    current = _editions(number)
    only = ONLY[number][0]
    # Content that a later record of the same key replaces; 11 comes back to what it was.
    yield clean(1, 71)
    yield clean(9, 71)
    yield clean(11, current[11])
    yield clean(only, 71)
    yield clean(9, 72)
    yield clean(10, 71)
    yield clean(11, 71)
    if number == 1:
        yield broken(91, "transaction_id.required", transaction_id="null")
    if number == 2:
        yield broken(QUARANTINED_IN_V2, "amount.type", amount='"12,30"')
        yield broken(NEVER_CLEAN, "amount.minimum", amount="-0.01")
    if number == 3:
        yield broken(UP_TO_THE_SECOND[0], "transaction_ts.type", transaction_ts='"2024-02-30T10:00:00Z"')
    # Not in the order of their keys, and in each version in another.
    keys = list(current)
    for key in keys[number * 7 :] + keys[: number * 7]:
        yield clean(key, current[key])
    # The very same bytes again.
    for key in (2, 3, 12, 12):
        yield clean(key, current[key])
    if number in CORRECTED_BADLY:
        yield broken(CORRECTED_BADLY[number], "amount.required", amount='"  "')


def _editions(number: int) -> dict[int, int]:
    """What a version says last of each of its keys."""
    editions = dict.fromkeys([*UNCHANGED, *ONLY[number]], 1)
    editions |= dict.fromkeys(CHANGED, number)
    editions |= dict.fromkeys(RETURNING, 1 if number == 3 else number)
    if number != 2:
        editions |= dict.fromkeys(SKIPPED, number)
    if number >= 2:
        editions |= dict.fromkeys(FROM_THE_SECOND, number)
    if number <= 2:
        editions |= dict.fromkeys(UP_TO_THE_SECOND, number)
    if number == 2:
        del editions[QUARANTINED_IN_V2]
    return editions


def _key(key: int) -> str:
    return f"T{key:04}"


def _content(key: int, edition: int, customers: dict[str, Values]) -> tuple[dict[str, str], Values]:
    """The JSON text of each field, in one of the ways in which sources write it, and the row that comes of it."""
    fixed = edition if key not in (PRODUCT_CHANGES, TIME_CHANGES, CUSTOMER_CHANGES) else 1
    mix = key * 13 + fixed * 17  # prime to every number below, so that keys and editions vary every column

    customer_id = CUSTOMER_IDS[(edition + 1 if key == CUSTOMER_CHANGES else mix) % len(CUSTOMER_IDS)]
    amount = AMOUNTS[key - 1] if key <= len(AMOUNTS) and fixed == 1 else f"{key * 10 + fixed}.{(key * 13 + fixed) % 100:02}"
    product = PRODUCTS[(edition - 1 if key == PRODUCT_CHANGES else mix) % len(PRODUCTS)]
    quantity = None if mix % 5 == 0 else str(mix % 10)
    moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=mix, seconds=key * 1_009, milliseconds=mix % 3 * 250)
    moment += timedelta(microseconds=edition if key == TIME_CHANGES else 0)
    currency, status = ["EUR", "USD", "GBP"][mix % 3], [None, "completed", "pending"][mix % 3]

    members = {
        "transaction_id": json.dumps(f" {_key(key)} " if mix % 11 == 0 else _key(key)),
        "customer_id": json.dumps(customer_id),
        "amount": [amount, f'"{amount}"', f'" {amount}00 "'][mix % 3],
        "currency": json.dumps(currency.lower() if mix % 2 else currency),
        "product": json.dumps(product, ensure_ascii=mix % 2 == 0),
        "quantity": "null" if quantity is None else [quantity, f'"{quantity}"'][mix % 2],
        "payment_method": json.dumps("  card\t"),
        "status": json.dumps(status or "  "),
        "transaction_ts": json.dumps(_written(moment, mix)),
    }
    if quantity is None and mix % 2:
        del members["quantity"]
    customer = customers.get(customer_id)
    values = {
        "customer_id": customer_id,
        "amount": amount,
        "currency": currency,
        "product": product,
        "quantity": quantity,
        "payment_method": "card",
        "status": status,
        "transaction_ts": _shown(moment),
        "customer_matched": "true" if customer else "false",
        **(customer or dict.fromkeys(CUSTOMER_COLUMNS)),
    }
    return members, values


def _object(members: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{name}": {text}' for name, text in members.items()) + "}"


def _written(moment: datetime, mix: int) -> str:
    if mix % 4 == 0:
        return moment.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
    if mix % 4 == 1:
        return moment.replace(tzinfo=None).isoformat(sep=" ")
    return moment.replace(tzinfo=None).isoformat() + "Z"


def _shown(moment: datetime) -> str:
    """As Postgres shows a TIMESTAMPTZ in UTC."""
    fraction = f".{moment.microsecond:06}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction}+00"


# What the contract does to the sample's customers.
CUSTOMER_COLUMNS = ["first_name", "last_name", "email", "phone", "country", "city", "signup_date"]


def read_customers(path: Path) -> tuple[dict[str, Values], tuple[Rejection, ...]]:
    """The last clean row of each customer, and the rows for the quarantine."""
    kept, rejected, offset = {}, [], 0

    def lines() -> Iterator[str]:
        nonlocal offset
        for line in path.read_bytes().splitlines(keepends=True):
            offset += len(line)
            yield line.decode()

    reader = csv.reader(lines(), strict=True)
    header = next(reader)
    while True:
        start = offset
        fields = next(reader, None)
        if fields is None:
            return kept, tuple(rejected)
        row = dict(zip(header, (field.strip() or None for field in fields), strict=True))
        if row["customer_id"] is None:
            rejected.append(Rejection("customers", start, "required", "customer_id"))
        elif row["signup_date"] and not _is_date(row["signup_date"]):
            rejected.append(Rejection("customers", start, "type", "signup_date"))
        else:
            for column, change in (("email", str.lower), ("country", str.upper)):
                row[column] = row[column] and change(row[column])
            kept[row.pop("customer_id")] = row


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
