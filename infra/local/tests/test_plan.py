"""A plan does everything a load does, says what that was, and leaves nothing behind."""

import json

from conftest import World
from laptop.execution import Execution
from test_schema_evolution import load, replaced, without

COUNTS = ("rows_inserted", "rows_updated", "rows_unchanged", "rows_superseded", "rows_matched")


def report(ended: Execution) -> dict:
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    output = json.loads(ended.output)
    assert (output["status"], output["ledger"]) == ("PLANNED", None)
    return output["plan"]


def test_a_plan_foretells_the_load_and_changes_nothing(anew: World) -> None:
    first = report(anew.run(plan=True))
    # The pipeline's own ledger is made before a transaction can lock it; it is empty.
    assert anew.tables() == [("crosstally", "ledger", 0, None)]
    assert [line.split(" (")[0] for line in first["ddl"]] == ['CREATE TABLE IF NOT EXISTS "analytics"."customer_transactions"']

    loaded = anew.run()
    assert loaded.status == "SUCCEEDED"
    row = anew.ledger(loaded.name).row
    assert {count: first[count] for count in COUNTS} == {count: row[count] for count in COUNTS}
    assert (first["rows_read"], first["rows_quarantined"]) == (row["rows_read"], row["rows_quarantined"])
    assert sum(first["quarantined_by_rule"].values()) == first["rows_quarantined"] > 0

    before = anew.tables()
    second = report(anew.run(plan=True))
    assert anew.tables() == before
    assert second["ddl"] == []
    assert (second["rows_inserted"], second["rows_updated"], second["rows_unchanged"]) == (0, 0, row["rows_loaded"])


def test_a_plan_tells_what_would_be_altered(anew: World) -> None:
    narrow = (
        without("city")
        .replace("physicalType: VARCHAR(512)", "physicalType: VARCHAR(8)")
        .replace("maxQuarantineRatio, value: 0.05", "maxQuarantineRatio, value: 1")
    )
    loaded = load(anew, narrow)
    assert (loaded.status, loaded.error) == ("SUCCEEDED", None)
    assert anew.ledger(loaded.name).quarantined_by_rule["product.type"] > 0
    before = anew.tables()

    planned = report(load(anew, replaced("physicalType: VARCHAR(512)", "physicalType: VARCHAR(600)"), plan=True))

    assert anew.tables() == before
    assert planned["ddl"] == [
        'ALTER TABLE "analytics"."customer_transactions" ALTER COLUMN "product" TYPE VARCHAR(600)',
        'ALTER TABLE "analytics"."customer_transactions" ADD COLUMN "city" VARCHAR(256)',
    ]
    assert planned["rows_updated"] > 0
