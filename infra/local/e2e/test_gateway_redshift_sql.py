"""Redshift's SQL through the Data API, as it runs on PostgreSQL once it is translated."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from world import DataApi


def text(data_api: DataApi, sql: str, **options) -> list[str | None]:
    """The only row of a result, as text."""
    return [None if field.get("isNull") else field["stringValue"] for field in data_api.rows(sql, **options)[0]]


@pytest.fixture
def name(data_api: DataApi):
    name = f"dialect_{uuid.uuid4().hex[:8]}"
    yield name
    data_api.run(f"DROP TABLE IF EXISTS {name}")


def test_a_primary_key_is_not_enforced(data_api: DataApi, name: str) -> None:
    create = f"/* made by us */ CREATE TABLE IF NOT EXISTS {name} (\n  id INTEGER NOT NULL,\n  PRIMARY KEY (id)\n) DISTSTYLE AUTO SORTKEY AUTO ENCODE AUTO"
    assert data_api.run(create)["QueryString"] == create
    assert data_api.run(f"INSERT INTO {name} VALUES (1), (1)")["ResultRows"] == 2


def test_super_is_kept_as_json(data_api: DataApi, name: str) -> None:
    done = data_api.run(
        [
            f'CREATE TABLE {name} ("items" SUPER)',
            f"""INSERT INTO {name} SELECT JSON_PARSE('{{"b": [1, 2.50, "x y"], "a": {{"c": null, "d": true}}}}')""",
            f"ALTER TABLE {name} ADD COLUMN more SUPER",
        ]
    )
    assert done["Status"] == "FINISHED", done
    serialized, nothing = text(data_api, f"SELECT JSON_SERIALIZE(items), JSON_SERIALIZE(more) FROM {name}")
    assert serialized == '{"a":{"c":null,"d":true},"b":[1,2.50,"x y"]}'
    assert nothing == "null"
    identity = data_api.submit(f"SELECT items FROM {name}")
    data_api.wait(identity)
    assert data_api.client.get_statement_result(Id=identity)["ColumnMetadata"][0]["typeName"] == "super"


def test_json_is_serialized_without_blanks_and_back(data_api: DataApi) -> None:
    for json in ("{}", "[]", '{"a":{}}', '[[],{"x":[1]}]', r'"a\"b, c: d"', "12.340", "null"):
        assert text(data_api, "SELECT JSON_SERIALIZE(JSON_PARSE(:json))", parameters={"json": json}) == [json]
    assert text(data_api, "SELECT CAST(JSON_PARSE(NULL) AS VARCHAR)") == [None]
    assert data_api.run("SELECT JSON_PARSE('{')")["Status"] == "FAILED"


def test_sysdate_is_the_start_of_the_transaction_and_getdate_that_of_the_statement(data_api: DataApi) -> None:
    sql = "SELECT CAST(SYSDATE AS VARCHAR), CAST(GETDATE() AS VARCHAR), CAST(SYSDATE AT TIME ZONE 'UTC' AS VARCHAR), pg_sleep(0)"
    identity = data_api.submit([sql, "SELECT pg_sleep(1.1)", sql])
    assert data_api.wait(identity)["Status"] == "FINISHED"
    first, second = ([field["stringValue"] for field in data_api.client.get_statement_result(Id=f"{identity}:{n}")["Records"][0][:3]] for n in (1, 3))
    assert first[0] == second[0]
    assert first[2] == f"{first[0]}+00"
    begun = datetime.fromisoformat(first[0]).replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - begun) < timedelta(seconds=30)
    whole = [datetime.strptime(row[1], "%Y-%m-%d %H:%M:%S") for row in (first, second)]
    assert whole[1] - whole[0] >= timedelta(seconds=1)


def test_backslashes_escape_in_strings(data_api: DataApi) -> None:
    assert text(data_api, r"SELECT 'it\'s', 'a\\b', 'c''d', 'x\ty'") == ["it's", "a\\b", "c'd", "x\ty"]
    assert text(data_api, r"SELECT 'it\'s :a', :a", parameters={"a": r"c:\new"}) == ["it's :a", r"c:\new"]


def test_the_text_of_a_statement_is_shown_as_it_came(data_api: DataApi) -> None:
    sql = "SELECT :a, SYSDATE, '50%'"
    assert data_api.run(sql, parameters={"a": "1"})["QueryString"] == sql
    assert data_api.run([sql], Parameters=[{"name": "a", "value": "1"}])["SubStatements"][0]["QueryString"] == sql


def test_a_column_changes_its_type_only_outside_of_a_transaction(data_api: DataApi, name: str) -> None:
    alter = f"/* wider */ ALTER TABLE {name} ALTER COLUMN a TYPE VARCHAR(20)"
    assert data_api.run(f"CREATE TABLE {name} (a VARCHAR(10))")["Status"] == "FINISHED"
    refused = data_api.run([f"INSERT INTO {name} VALUES ('x')", alter])
    assert refused["Error"] == "ERROR: ALTER TABLE ALTER COLUMN cannot run inside a transaction block"
    assert [sub["Status"] for sub in refused["SubStatements"]] == ["ABORTED", "FAILED"]
    assert data_api.rows(f"SELECT COUNT(*) FROM {name}") == [[{"longValue": 0}]]
    assert data_api.run(alter)["Status"] == "FINISHED"
    for allowed in (f"ALTER TABLE {name} ADD COLUMN type INT", f"ALTER TABLE {name} RENAME COLUMN type TO b", f"LOCK TABLE {name}"):
        assert data_api.run([allowed])["Status"] == "FINISHED"


def test_a_statement_tells_its_process_and_its_query(data_api: DataApi) -> None:
    identity = data_api.submit("SELECT pg_backend_pid()")
    described = data_api.wait(identity)
    assert [[{"longValue": described["RedshiftPid"]}]] == data_api.client.get_statement_result(Id=identity)["Records"]
    later = data_api.run(["SELECT 1", "SELECT 2"])
    queries = [described["RedshiftQueryId"], *(sub["RedshiftQueryId"] for sub in later["SubStatements"])]
    assert queries == sorted(set(queries)) and queries[0] > 0
    assert later["RedshiftPid"] != described["RedshiftPid"]


def test_a_batch_runs_in_a_session_of_its_own(data_api: DataApi, name: str) -> None:
    made = data_api.run([f"CREATE TEMP TABLE {name} AS SELECT 1 AS n", f"SELECT n FROM {name}"])
    assert made["Status"] == "FINISHED"
    assert "does not exist" in data_api.run(f"SELECT n FROM {name}")["Error"]


def test_what_the_user_makes_is_the_users(data_api: DataApi, name: str) -> None:
    ours = "CREATE FUNCTION getdate() RETURNS text LANGUAGE sql AS $$ SELECT 'ours' $$"
    done = data_api.run([f"CREATE TABLE {name} (a INT)", ours])
    assert done["Status"] == "FINISHED", done
    assert text(data_api, f"SELECT CAST(relnamespace::regnamespace AS VARCHAR), getdate() FROM pg_class WHERE relname = '{name}'") == ["public", "ours"]
    assert data_api.run("DROP FUNCTION public.getdate()")["Status"] == "FINISHED"
