"""Makes dirty sample data: DIR/customers.csv and DIR/transactions.json.

    python3 samples/generate.py --rows 10000 --out DIR [--customers N] [--format array|ndjson] [--seed 42] [--truth]

The same arguments give the same bytes, under every Python from 3.11 on. Each kind of dirt gets its share of the rows, but at least one,
and no row has two kinds, so the printed summary can be compared with what a run reports. --truth also writes DIR/expected.json, which
expected.py computes from the two files alone.
"""

import argparse
import csv
import json
import random
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, TextIO

import expected

FIRST_NAMES = [
    "Anna", "Ben", "Carla", "David", "Elif", "Fatima", "Georg", "Hanna", "Ivan", "Julia", "Kofi", "Lena", "Mateo", "Nora", "Omar", "Priya",
    "Quentin", "Rosa", "Samir", "Tara", "Uwe", "Vera", "Wei", "Xenia", "Yusuf", "José", "Zoë", "Łukasz", "Søren", "Renée", "Дмитрий", "美咲", "Müge",
]  # fmt: skip
LAST_NAMES = [
    "Smith", "Müller", "García", "Johnson", "Brown", "Nguyen", "Kowalski", "Rossi", "Silva", "Kim", "Tanaka", "Okafor", "Andersson", "Dubois",
    "Novák", "Ivanov", "Haddad", "Cohen", "Singh", "Chen", "Öztürk", "van der Berg", "de la Cruz", "O'Neill",
]  # fmt: skip
CITIES = [
    ("Berlin", "DE"), ("München", "DE"), ("Paris", "FR"), ("Lyon", "FR"), ("Madrid", "ES"), ("London", "GB"), ("New York", "US"), ("Austin", "US"),
    ("São Paulo", "BR"), ("Kraków", "PL"), ("İzmir", "TR"), ("東京", "JP"), ("Mumbai", "IN"), ("Lagos", "NG"), ("Toronto", "CA"), ("Zürich", "CH"),
]  # fmt: skip
PRODUCTS = [
    "Laptop 14", "Laptop 16", "USB-C Hub", "Wireless Mouse", "Mechanical Keyboard", '27" Monitor', "Desk Lamp", "Office Chair", "Headphones",
    "Webcam HD", "Phone Case", "Charger 65W", "Coffee Beans 1kg", "Tea Sampler", "Water Bottle", "Backpack 25L", "Running Shoes", "Yoga Mat",
    "Notebook A5", "Ink\\Toner Set", "External SSD 1TB", "Café crème", "Crème brûlée set", "Jalapeño sauce", "抹茶セット", "Sticker 😀",
]  # fmt: skip
CURRENCIES = ["EUR", "USD", "GBP", "PLN", "TRY", "JPY", "BRL", "INR"]
PAYMENT_METHODS = ["card", "paypal", "bank_transfer", "cash", "apple_pay"]
STATUSES = ["completed", "completed", "completed", "pending", "failed"]
OFFSETS = [("+01:00", 60), ("+02:00", 120), ("-05:00", -300), ("+05:30", 330), ("+00:00", 0)]

UNREADABLE_AMOUNTS = ['"N/A"', '"12,30"', '"abc"', '"--5.00"', '"EUR 5"', '"1.234"', "19.999"]
UNREADABLE_TIMES = [
    "not-a-date", "2024-13-45T00:00:00Z", "31/12/2024", "2024-02-30T10:00:00Z", "2024-05-05T25:61:00Z", "yesterday", "2023-02-29 12:00:00",
]  # fmt: skip
UNREADABLE_DATES = ["2023-02-30", "31/12/2022", "unknown", "2023-13-01", "0000-00-00"]
UNREADABLE_QUANTITIES = ['"two"', "2.5", '"3 pcs"']

CUSTOMER_COLUMNS = ["customer_id", "first_name", "last_name", "email", "phone", "country", "city", "signup_date"]

Record = dict[str, str]  # column -> the value as JSON text


class Dirt(NamedTuple):
    share: float
    name: str
    outcome: str
    apply: Callable[["Dice", Record], None] | None = None


class Dice:
    """Draws from random() alone: of Python's generator only that is the same in every version."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed).random

    def below(self, n: int) -> int:
        return int(self.random() * n)

    def pick(self, choices: list):
        return choices[int(self.random() * len(choices))]

    def chance(self, share: float) -> bool:
        return self.random() < share


def missing(column: str) -> Callable[[Dice, Record], None]:
    def apply(dice: Dice, record: Record) -> None:
        value = dice.pick([None, "null", '""', '"  "'])
        if value is None:
            del record[column]
        else:
            record[column] = value

    return apply


def unreadable(column: str, values: list[str]) -> Callable[[Dice, Record], None]:
    def apply(dice: Dice, record: Record) -> None:
        record[column] = dice.pick(values)

    return apply


def negative(_dice: Dice, record: Record) -> None:
    amount = record["amount"].strip('" ')
    record["amount"] = f"-{amount}"


def negative_at_no_time(dice: Dice, record: Record) -> None:
    negative(dice, record)
    record["transaction_ts"] = '"soon"'


COPY, CORRECTION, BAD_CORRECTION, UNKNOWN_CUSTOMER = (
    "exact copy of an earlier row",
    "correction of an earlier row",
    "unreadable correction",
    "unknown customer",
)

TRANSACTION_DIRT = [
    Dirt(0.0100, COPY, "superseded"),
    Dirt(0.0100, CORRECTION, "superseded (the row it corrects)"),
    Dirt(0.0100, UNKNOWN_CUSTOMER, "unmatched, as all rows of a quarantined customer"),
    Dirt(0.0005, BAD_CORRECTION, "quarantined: amount.type", unreadable("amount", UNREADABLE_AMOUNTS)),
    Dirt(0.0010, "no transaction_id", "quarantined: transaction_id.required", missing("transaction_id")),
    Dirt(0.0020, "no customer_id", "quarantined: customer_id.required", missing("customer_id")),
    Dirt(0.0030, "no amount", "quarantined: amount.required", missing("amount")),
    Dirt(0.0040, "unreadable amount", "quarantined: amount.type", unreadable("amount", UNREADABLE_AMOUNTS)),
    Dirt(0.0040, "negative amount", "quarantined: amount.minimum", negative),
    Dirt(0.0003, "negative amount, unreadable time", "quarantined: amount.minimum", negative_at_no_time),
    Dirt(0.0015, "no currency", "quarantined: currency.required", missing("currency")),
    Dirt(0.0010, "unreadable quantity", "quarantined: quantity.type", unreadable("quantity", UNREADABLE_QUANTITIES)),
    Dirt(0.0015, "no transaction_ts", "quarantined: transaction_ts.required", missing("transaction_ts")),
    Dirt(0.0025, "unreadable transaction_ts", "quarantined: transaction_ts.type", unreadable("transaction_ts", [f'"{t}"' for t in UNREADABLE_TIMES])),
]

REPEATED, NO_ID, NO_DATE = "customer_id again, with new details", "no customer_id", "unreadable signup_date"
CUSTOMER_DIRT = [
    Dirt(0.020, REPEATED, "superseded (the earlier row)"),
    Dirt(0.004, NO_ID, "quarantined: customer_id.required"),
    Dirt(0.006, NO_DATE, "quarantined: signup_date.type"),
]


def main(argv: list[str]) -> None:
    options = parse_options(argv)
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    customers, transactions = folder / "customers.csv", folder / "transactions.json"
    with customers.open("w", encoding="utf-8", newline="") as out:
        customer_dirt, known = write_customers(out, Dice(2 * options.seed), options.customers)
    with transactions.open("w", encoding="utf-8", newline="") as out:
        transaction_dirt = write_transactions(out, Dice(2 * options.seed + 1), options.rows, known, options.format)
    summarize(customers, options.customers, customer_dirt)
    summarize(transactions, options.rows, transaction_dirt)
    if options.truth:
        truth = expected.of_files(customers, transactions)
        (folder / "expected.json").write_text(json.dumps(truth, indent=2) + "\n")


def parse_options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=natural, default=10_000, help="transactions (10000)")
    parser.add_argument("--customers", type=natural, help="rows of customers.csv (a twentieth of the transactions)")
    parser.add_argument("--format", choices=["array", "ndjson"], default="array", help="one JSON array, or one object per line (array)")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--out", required=True, help="folder to write to")
    parser.add_argument("--truth", action="store_true", help="also write expected.json, what a correct run must report")
    options = parser.parse_args(argv)
    options.customers = options.customers or max(options.rows // 20, 1)
    return options


def natural(text: str) -> int:
    number = int(text.replace("_", ""))
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def write_customers(out: TextIO, dice: Dice, rows: int) -> tuple[dict[Dirt, int], int]:
    """Also returns how many customers there are: their ids count up from 1."""
    plan = spread(dice, CUSTOMER_DIRT, rows)
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    writer.writerow(CUSTOMER_COLUMNS)
    clean: list[int] = []
    last = 0
    for position in range(1, rows + 1):
        dirt = plan.get(position)
        if dirt and dirt.name == REPEATED:
            row = customer(dice, dice.pick(clean))
        else:
            last += 1
            row = customer(dice, last)
        if dirt is None:
            clean.append(last)
        elif dirt.name == NO_ID:
            row[0] = dice.pick(["", "  "])
        elif dirt.name == NO_DATE:
            row[7] = dice.pick(UNREADABLE_DATES)
        writer.writerow(row)
    return count(plan), last


def customer(dice: Dice, number: int) -> list[str]:
    first, last = dice.pick(FIRST_NAMES), dice.pick(LAST_NAMES)
    city, country = dice.pick(CITIES)
    email = f"user{number}@example.{country.lower()}"
    if dice.chance(0.02):
        first = f'{first} "{dice.pick(FIRST_NAMES)}"'
    if dice.chance(0.02):
        last = f"{last}, Jr."
    if dice.chance(0.01):
        city = f"{city}\n(district {dice.below(20) + 1})"
    if dice.chance(0.10):
        email = email.upper() if dice.chance(0.5) else email.capitalize()
    if dice.chance(0.10):
        country = country.lower()
    phone = f"+{dice.below(98) + 1} {dice.below(900) + 100} {dice.below(900_000) + 100_000}"
    signed_up = (date(2015, 1, 1) + timedelta(days=dice.below(3_600))).isoformat()
    row = [first, last, email, phone, country, city, signed_up]
    row = ["" if dice.chance(0.02) else stray_spaces(dice, value, 0.02) for value in row]
    return [stray_spaces(dice, f"C{number:06}", 0.01), *row]


def write_transactions(out: TextIO, dice: Dice, rows: int, customers: int, form: str) -> dict[Dirt, int]:
    plan = spread(dice, TRANSACTION_DIRT, rows)
    opening, separator, closing = ("[\n", ",\n", "\n]\n") if form == "array" else ("", "\n", "\n")
    out.write(opening)
    for position, record in enumerate(transactions(dice, plan, rows, customers)):
        members = record.items()
        if dice.chance(0.01):
            members = reversed(members)
        if position:
            out.write(separator)
        out.write("{" + ",".join([f'"{column}":{value}' for column, value in members]) + "}")
    out.write(closing)
    return count(plan)


def transactions(dice: Dice, plan: dict[int, Dirt], rows: int, customers: int) -> Iterator[Record]:
    """Copies and corrections follow rows of all ages: half of the first thousand, half of about the last thousand."""
    first: list[Record] = []
    recent: list[Record] = []
    for number in range(1, rows + 1):
        dirt = plan.get(number)
        name = dirt.name if dirt else None
        if name in (COPY, CORRECTION, BAD_CORRECTION):
            record = dict(dice.pick(first if dice.chance(0.5) else recent))
            if name != COPY:
                record["amount"], record["status"] = amount(dice), '"refunded"'
        else:
            known = name != UNKNOWN_CUSTOMER
            record = transaction(dice, number, dice.below(customers) + 1 if known else customers + 1 + dice.below(customers))
        if dirt is None:
            if len(first) < 1_000:
                first.append(record)
            if len(recent) < 1_000:
                recent.append(record)
            else:
                recent[dice.below(1_000)] = record
        elif dirt.apply:
            dirt.apply(dice, record)
        yield record


def transaction(dice: Dice, number: int, customer_number: int) -> Record:
    currency = dice.pick(CURRENCIES)
    if dice.chance(0.05):
        currency = currency.lower() if dice.chance(0.5) else currency.capitalize()
    record = {
        "transaction_id": f'"{stray_spaces(dice, f"T{number:08}", 0.002)}"',
        "customer_id": f'"{stray_spaces(dice, f"C{customer_number:06}", 0.01)}"',
        "amount": amount(dice),
        "currency": f'"{stray_spaces(dice, currency, 0.02)}"',
        "product": json.dumps(stray_spaces(dice, dice.pick(PRODUCTS), 0.02), ensure_ascii=dice.chance(0.2)),
        "quantity": str(dice.below(10) + 1) if dice.chance(0.98) else f'"{dice.below(10) + 1}"',
        "payment_method": f'"{dice.pick(PAYMENT_METHODS)}"',
        "status": f'"{stray_spaces(dice, dice.pick(STATUSES), 0.01)}"',
        "transaction_ts": f'"{stray_spaces(dice, timestamp(dice), 0.003)}"',
    }
    for column in ("product", "quantity", "payment_method", "status"):
        if dice.chance(0.005):
            missing(column)(dice, record)
    if dice.chance(0.005):
        record["note"] = '{"gift":true,"tags":["a]","b}"]}'  # a field that no contract knows
    return record


def amount(dice: Dice) -> str:
    draw = dice.random()
    cents = 100 + dice.below(20_000 if draw < 0.7 else 200_000 if draw < 0.95 else 9_999_900)
    text = f"{cents // 100}.{cents % 100:02}"
    draw = dice.random()
    if draw < 0.95:
        return text
    if draw < 0.99:
        return f'"{text}"'
    return f'" {text}"' if draw < 0.995 else f'"{text}0"'


def timestamp(dice: Dice) -> str:
    moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.below(366 * 86_400))
    draw = dice.random()
    if draw < 0.80:
        return f"{moment:%Y-%m-%dT%H:%M:%S}Z"
    if draw < 0.90:
        name, minutes = dice.pick(OFFSETS)
        return f"{moment + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S}{name}"
    if draw < 0.95:
        return f"{moment:%Y-%m-%d %H:%M:%S}"
    fraction = f"{dice.below(1_000):03}" if draw < 0.98 else f"{dice.below(1_000_000):06}"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction}Z"


def stray_spaces(dice: Dice, text: str, share: float) -> str:
    if not dice.chance(share):
        return text
    return dice.pick([" ", "", "  "]) + text + " "


def spread(dice: Dice, kinds: list[Dirt], rows: int) -> dict[int, Dirt]:
    """Which row gets which dirt. The first row stays clean: copies need something to copy."""
    plan: dict[int, Dirt] = {}
    for dirt in kinds:
        for _ in range(max(1, round(dirt.share * rows))):
            if len(plan) == rows - 1:
                return plan
            while (number := 2 + dice.below(rows - 1)) in plan:
                pass
            plan[number] = dirt
    return plan


def count(plan: dict[int, Dirt]) -> dict[Dirt, int]:
    counts: dict[Dirt, int] = {}
    for dirt in plan.values():
        counts[dirt] = counts.get(dirt, 0) + 1
    return counts


def summarize(path: Path, rows: int, dirt: dict[Dirt, int]) -> None:
    print(f"{path}: {rows} rows, of which")
    for kind, number in dirt.items():
        print(f"  {number:8}  {kind.name:36}  {kind.outcome}")


if __name__ == "__main__":
    main(sys.argv[1:])
