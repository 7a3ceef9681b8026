"""A plan does everything a load does, says what that was, and leaves nothing behind; and the load then does what the plan has said."""

import json

from contracts import SHIPPED, load, replaced, without
from laptop.execution import Execution
from world import World

COUNTS = ("rows_inserted", "rows_updated", "rows_unchanged", "rows_superseded", "rows_matched")
COLUMNS = "SELECT column_name, character_maximum_length FROM information_schema.columns WHERE table_name = 'customer_transactions'"


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


def test_the_job_plans_alters_and_loads_as_the_data_api_does(anew: World) -> None:
    """A table of an older contract: what the plan says would be altered and updated, in either way in, is what Glue then alters and updates."""
    narrow = replaced("physicalType: VARCHAR(512)", "physicalType: VARCHAR(8)", without("city"))
    narrow = replaced("maxQuarantineRatio, value: 0.05", "maxQuarantineRatio, value: 1", narrow)
    loaded = load(anew, narrow)
    assert (loaded.status, loaded.error) == ("SUCCEEDED", None)
    assert anew.ledger(loaded.name).quarantined_by_rule["product.type"] > 0
    before = anew.tables()

    wider = replaced("physicalType: VARCHAR(512)", "physicalType: VARCHAR(600)")
    plans = [report(load(anew, wider, plan=True))]
    anew.configure(LOAD_MODE="glue")
    plans.append(report(load(anew, wider, plan=True)))

    assert plans[0] == plans[1]
    assert anew.tables() == before
    assert plans[0]["ddl"] == [
        'ALTER TABLE "analytics"."customer_transactions" ALTER COLUMN "product" TYPE VARCHAR(600)',
        'ALTER TABLE "analytics"."customer_transactions" ADD COLUMN "city" VARCHAR(256)',
    ]
    assert plans[0]["rows_updated"] > 0

    ended = load(anew, SHIPPED)
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    columns = dict(anew.query(COLUMNS))
    assert (columns["product"], columns["city"]) == (512, 256)
    assert anew.ledger(ended.name).row["rows_updated"] == plans[0]["rows_updated"]
