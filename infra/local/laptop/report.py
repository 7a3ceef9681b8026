"""What a run leaves with the user: the table on the screen, and the files of OUT."""

import shlex
import shutil
import textwrap
from pathlib import Path

from laptop.ledger import Ledger
from laptop.screen import paint, say
from laptop.setup import machine
from laptop.stack import Servers
from laptop.summary import Outcome

_EXPORTED = ("manifest.json", "clean/", "quarantine/")


def export(stack: Servers, bucket: str, run_id: str, out: Path) -> None:
    client = stack.client("s3")
    for part in _EXPORTED:
        for key in keys(stack, bucket, f"runs/{run_id}/{part}"):
            target = out / key.removeprefix(f"runs/{run_id}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, key, str(target))


def keys(stack: Servers, bucket: str, prefix: str) -> list[str]:
    pages = stack.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def print_table(outcome: Outcome) -> None:
    ledger = outcome.ledger
    total = sum(outcome.seconds.values())
    say()
    say(paint(f"run {outcome.run_id}: {outcome.status} in {total:.1f} s", "bold"))
    if outcome.plan:
        _print_plan(outcome.plan)
    if outcome.nothing_to_do:
        say(f"  {outcome.nothing_to_do}")
    if ledger:
        rows = ledger.rows
        _line("rows read", f"{rows['read']:,}")
        _line("  loaded", f"{rows['loaded']:,}", _share_out(ledger, "inserted", "updated", "unchanged"))
        _line("  superseded", f"{rows['superseded']:,}", "a newer row of the same key stands instead")
        _line("  quarantined", f"{rows['quarantined']:,}")
        _print_rules(ledger.quarantined_by_rule)
        _line("loaded, matched", f"{ledger.matched:,}", "a customer was found")
        _line("loaded, unmatched", f"{ledger.unmatched:,}")
        customers = ledger.customers
        _line("customers read", f"{customers['read']:,}", ", ".join(f"{kind} {customers[kind]:,}" for kind in ("kept", "superseded", "quarantined")))
        for column, sums in ledger.sums.items():
            _line(f"sum of {column}", sums["clean"], f"= loaded {sums['loaded']} + superseded {sums['superseded']}")
    _line("state transitions", f"{outcome.state_transitions:,}", "with the Map's children and retries, as billed")
    _line("Data API calls", f"{sum(outcome.data_api_calls.values()):,}", ", ".join(f"{name} {count:,}" for name, count in outcome.data_api_calls.items()))
    if outcome.seconds_to_balanced_ledger is not None:
        remark = f"committed after {ledger.row['run_seconds']:.2f}, its transaction took {ledger.row['load_seconds']:.2f}"
        _line("seconds to the balanced ledger", f"{outcome.seconds_to_balanced_ledger:.2f}", remark)
    for name, seconds in outcome.seconds.items():
        _line(f"seconds in {name}", f"{seconds:.2f}")


def print_places(stack: Servers, bucket: str, run_id: str) -> None:
    """Where the run's traces are."""
    say()
    say(f"in S3, bucket {bucket}:")
    for key in keys(stack, bucket, f"runs/{run_id}/"):
        say(f"  {key}")
    say(f"in the warehouse: {psql(stack)}")


def psql(stack: Servers) -> str:
    warehouse = stack.warehouse
    program = "psql" if shutil.which("psql") else shlex.quote(str(Path(machine.recall()["postgres"]) / "psql"))
    return f"PGPASSWORD={shlex.quote(warehouse.password)} {program} -h 127.0.0.1 -p {warehouse.port} -U {warehouse.user} {warehouse.database}"


def _line(name: str, value: str, remark: str = "") -> None:
    say(f"  {name:<34} {value:>16}{'   ' + paint(remark, 'grey') if remark else ''}")


def _print_plan(plan: dict) -> None:
    """What a load would have done. It was rolled back, so there are no books to read."""
    loaded = {kind: plan[f"rows_{kind}"] for kind in ("inserted", "updated", "unchanged")}
    _line("rows read", f"{plan['rows_read']:,}")
    _line("  would be loaded", f"{sum(loaded.values()):,}", ", ".join(f"{kind} {count:,}" for kind, count in loaded.items()))
    _line("  would be superseded", f"{plan['rows_superseded']:,}", "a newer row of the same key stands instead")
    _line("  would be quarantined", f"{plan['rows_quarantined']:,}")
    _print_rules(plan["quarantined_by_rule"])
    _line("would be loaded, matched", f"{plan['rows_matched']:,}", "a customer was found")
    _line("changes of the table's definition", f"{len(plan['ddl']):,}")
    for statement in plan["ddl"]:
        say(textwrap.indent(statement, "    "))


def _print_rules(counts: dict[str, int]) -> None:
    for rule, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        _line(f"    {rule}", f"{count:,}")


def _share_out(ledger: Ledger, *kinds: str) -> str:
    return ", ".join(f"{kind} {ledger.row[f'rows_{kind}']:,}" for kind in kinds)
