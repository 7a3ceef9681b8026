"""The rows of both tables, by generate_series: what is staged, and what stands in the target already.

Of the staged keys half say something new of a row that is there, a quarter say what is there already, and a quarter are new; the rows they meet are
spread over the whole target. One key in a hundred is staged twice. It is written for the columns of the shipped contract, in its order.
"""

from typing import NamedTuple

SOURCE_URI = "https://account.blob.core.windows.net/landing/transactions.json"
BYTES_A_RECORD = 230  # from one offset to the next

_OFTEN = 97  # of the staged rows one in so many has its key again at the end: prime to 4, so that every kind of key does
_STRIDE = 2_654_435_761  # a prime above any number of rows: multiples of it, modulo that number, meet every row once


class Fates(NamedTuple):
    inserted: int
    updated: int
    unchanged: int
    superseded: int


def fates(staged: int) -> Fates:
    repeated = _repeated(staged)
    keys = staged - repeated
    inserted, unchanged = (keys + 0) // 4, (keys + 1) // 4  # keys numbered 3, 7, …, and 2, 6, …
    return Fates(inserted, keys - inserted - unchanged, unchanged, repeated)


def in_target(rows: int, run_id: str) -> str:
    """As an earlier run has left them."""
    lineage = f"'{run_id}', '{SOURCE_URI}', n * {BYTES_A_RECORD}, CURRENT_TIMESTAMP"
    return f"SELECT {_content('id', '0')}, {lineage} FROM (SELECT n, n AS id FROM generate_series(0::BIGINT, {rows} - 1) n) numbered"


def staged(rows: int, target: int) -> str:
    repeated = _repeated(rows)
    keys = rows - repeated
    return f"""
        SELECT {_content("id", "revision")}, '{SOURCE_URI}', n * {BYTES_A_RECORD}, {_MATCHED.format(id="id")}
        FROM (
          SELECT n,
            CASE WHEN k % 4 = 3 THEN {target} + k ELSE k * {_STRIDE} % {target} END AS id,
            CASE WHEN n < {keys} AND k % {_OFTEN} = 0 AND k / {_OFTEN} < {repeated} THEN 2 WHEN k % 4 = 2 THEN 0 ELSE 1 END AS revision
          FROM (SELECT n, CASE WHEN n < {keys} THEN n ELSE (n - {keys}) * {_OFTEN} END AS k FROM generate_series(0::BIGINT, {rows} - 1) n) numbered
        ) keyed"""


def quarantined(rows: int) -> str:
    record = """'{"transaction_id":"T' || n || '","customer_id":"C000001","amount":"N/A","currency":"EUR","transaction_ts":"2026-01-01T00:00:00Z"}'"""
    return f"""
        SELECT 'transactions', '{SOURCE_URI}', n * {BYTES_A_RECORD}, 'type', 'amount', {record}, length({record})
        FROM generate_series(1::BIGINT, {rows}) n"""


def _repeated(staged: int) -> int:
    return staged // 101


_MATCHED = "({id} % 50 <> 0)"


def _content(id: str, revision: str) -> str:
    """A row's columns in the contract's order; another revision differs in amount and status."""

    def pick(*values: str) -> str:
        quoted = ", ".join(f"'{value}'" for value in values)
        return f"(ARRAY[{quoted}])[1 + {id} % {len(values)}]"

    customer = [
        pick("Anna", "Ben", "Carla", "Fatima", "José", "Łukasz", "Müge"),
        pick("Smith", "Müller", "Nguyen", "Kowalski", "van der Berg"),
        f"'user' || {id} % 1000000 || '@example.com'",
        f"'+49 ' || 1000000 + {id} % 1000000",
        pick("DE", "FR", "ES", "GB", "US", "BR"),
        pick("Berlin", "Lyon", "Madrid", "London", "São Paulo", "New York"),
        f"DATE '2016-01-01' + CAST({id} % 3000 AS INTEGER)",
    ]
    columns = [
        f"'T' || 1000000000 + {id}",
        f"'C' || 1000000 + {id} % 1000000",
        f"CAST(({id} * 7919 + {revision} * 101) % 1000000 AS NUMERIC) / 100",
        pick("EUR", "USD", "GBP", "PLN", "TRY", "JPY", "BRL", "INR"),
        pick("Laptop 14", "USB-C Hub", "Mechanical Keyboard", "Coffee Beans 1kg", "Crème brûlée set"),
        f"NULLIF({id} % 20, 0)",
        pick("card", "paypal", "bank_transfer", "cash", "apple_pay"),
        f"(ARRAY['pending', 'completed', 'failed'])[1 + {revision}]",
        f"TIMESTAMP '2025-01-01' + {id} * INTERVAL '1 second'",
        _MATCHED.format(id=id),
        *(f"CASE WHEN {_MATCHED.format(id=id)} THEN {value} END" for value in customer),
    ]
    return ", ".join(columns)
