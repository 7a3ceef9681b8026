"""What a run leaves with the user: the table on the screen, and the files of OUT."""

import shlex
import shutil
from pathlib import Path

from laptop.ledger import Ledger
from laptop.screen import paint, say
from laptop.setup import machine
from laptop.stack import Stack
from laptop.summary import Outcome

_EXPORTED = ("manifest.json", "clean/", "quarantine/")


def export(stack: Stack, bucket: str, run_id: str, out: Path) -> None:
    client = stack.client("s3")
    for part in _EXPORTED:
        for key in keys(stack, bucket, f"runs/{run_id}/{part}"):
            target = out / key.removeprefix(f"runs/{run_id}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, key, str(target))


def keys(stack: Stack, bucket: str, prefix: str) -> list[str]:
    pages = stack.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def print_table(outcome: Outcome) -> None:
    ledger = outcome.ledger
    total = sum(outcome.seconds.values())
    say()
    say(paint(f"run {outcome.run_id}: {outcome.status} in {total:.1f} s", "bold"))
    if ledger:
        rows = ledger.rows
        _line("rows read", f"{rows['read']:,}")
        _line("  loaded", f"{rows['loaded']:,}", _share_out(ledger, "inserted", "updated", "unchanged"))
        _line("  superseded", f"{rows['superseded']:,}", "a newer row of the same key stands instead")
        _line("  quarantined", f"{rows['quarantined']:,}")
        for rule, count in sorted(ledger.quarantined_by_rule.items(), key=lambda item: (-item[1], item[0])):
            _line(f"    {rule}", f"{count:,}")
        _line("loaded, matched", f"{ledger.matched:,}", "a customer was found")
        _line("loaded, unmatched", f"{ledger.unmatched:,}")
        customers = ledger.customers
        _line("customers read", f"{customers['read']:,}", ", ".join(f"{kind} {customers[kind]:,}" for kind in ("kept", "superseded", "quarantined")))
        for column, sums in ledger.sums.items():
            _line(f"sum of {column}", sums["clean"], f"= loaded {sums['loaded']} + superseded {sums['superseded']}")
    for name, seconds in outcome.seconds.items():
        _line(f"seconds in {name}", f"{seconds:.2f}")


def print_places(stack: Stack, bucket: str, run_id: str, out: Path | None) -> None:
    """Where the run's traces are. They are listed while the stack still stands; it is stopped right after."""
    say()
    say(f"in S3, bucket {bucket}:")
    for key in keys(stack, bucket, f"runs/{run_id}/"):
        say(f"  {key}")
    say(f"in the warehouse: {psql(stack)}")
    say("This stack now stops, and its tables and objects go with it." + (f" Kept: {out}/" if out else " `make run OUT=dir` keeps a run's files."))
    say("`make up` starts one that stays, to look around with the AWS CLI and psql.")


def psql(stack: Stack) -> str:
    warehouse = stack.warehouse
    program = "psql" if shutil.which("psql") else shlex.quote(str(Path(machine.recall()["postgres"]) / "psql"))
    return f"PGPASSWORD={shlex.quote(warehouse.password)} {program} -h 127.0.0.1 -p {warehouse.port} -U {warehouse.user} {warehouse.database}"


def _line(name: str, value: str, remark: str = "") -> None:
    say(f"  {name:<34} {value:>16}{'   ' + paint(remark, 'grey') if remark else ''}")


def _share_out(ledger: Ledger, *kinds: str) -> str:
    return ", ".join(f"{kind} {ledger.row[f'rows_{kind}']:,}" for kind in kinds)
