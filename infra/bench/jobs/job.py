"""What the three jobs share: their arguments, and the line they end with. The work itself is written out in each of them.

The job, by the shipped contract: every text is trimmed, and empty is null; e-mail becomes lower case, country and currency upper case. The first
column at fault sends a row to the quarantine, under `column.rule`. The last valid customer of an id is joined from the left to the valid
transactions; none of those is left out as a duplicate. Written are zstd Parquet files: clean.parquet, quarantine.parquet (transactions),
and quarantine_customers.parquet.
"""

import argparse
import json
from decimal import Decimal
from pathlib import Path

CUSTOMER_COLUMNS = ["customer_id", "first_name", "last_name", "email", "phone", "country", "city", "signup_date"]
TRANSACTION_COLUMNS = ["transaction_id", "customer_id", "amount", "currency", "product", "quantity", "payment_method", "status", "transaction_ts"]

# What may stand where a number should: nothing that would have to be rounded or cut to fit.
AMOUNT = r"[+-]?[0-9]{1,16}(?:\.[0-9]{1,2}0*)?"
INTEGER = r"[+-]?[0-9]+(?:\.0+)?"

ZSTD_LEVEL = 1  # the fastest, for all


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=Path, required=True)
    parser.add_argument("--transactions", type=Path, required=True)
    parser.add_argument("--form", choices=["array", "ndjson"], required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def report(*, read: int, clean: int, quarantined: int, amount: Decimal, quantity: int, matched: int) -> None:
    sums = {"amount": str(amount), "quantity": str(quantity)}
    print(json.dumps({"read": int(read), "clean": int(clean), "quarantined": int(quarantined), "sums": sums, "matched": int(matched)}))
