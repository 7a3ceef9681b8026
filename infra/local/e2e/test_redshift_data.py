"""The Data API as the real one behaves: asynchronous, typed, transactional, and honest about failures."""

import time
import uuid

import pytest
from botocore.exceptions import ClientError
from world import DataApi


def refused(code: str, call, **arguments) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code
    return caught.value.response["Error"]["Message"]


@pytest.fixture
def table(data_api: DataApi):
    name = f"t_{uuid.uuid4().hex[:8]}"
    assert data_api.run(f"CREATE TABLE {name} (id INTEGER, amount DECIMAL(18,2))")["Status"] == "FINISHED"
    yield name
    data_api.run(f"DROP TABLE {name}")


def test_fields_are_typed(data_api: DataApi) -> None:
    sql = "SELECT 1::smallint a, 2::bigint b, 1.5::float8 c, true d, false e, NULL::text f, 'x' g, 12.340::numeric h, DATE '2026-01-31' i"
    expected = [
        {"longValue": 1}, {"longValue": 2}, {"doubleValue": 1.5}, {"booleanValue": True}, {"booleanValue": False}, {"isNull": True},
        {"stringValue": "x"}, {"stringValue": "12.340"}, {"stringValue": "2026-01-31"},
    ]  # fmt: skip
    assert data_api.rows(sql) == [expected]


def test_columns_are_described(data_api: DataApi) -> None:
    identity = data_api.submit("SELECT 1 AS id, 2.50::numeric(18,2) AS amount")
    data_api.wait(identity)
    columns = data_api.client.get_statement_result(Id=identity)["ColumnMetadata"]
    assert [(c["name"], c["typeName"], c["precision"], c["scale"]) for c in columns][1] == ("amount", "numeric", 18, 2)
    assert columns[0]["typeName"] == "int4"


def test_times_are_utc(data_api: DataApi) -> None:
    assert data_api.rows("SELECT TIMESTAMPTZ '2026-01-01 01:00:00+01'") == [[{"stringValue": "2026-01-01 00:00:00+00"}]]


def test_named_parameters_take_the_type_of_their_place(data_api: DataApi, table: str) -> None:
    assert data_api.run(f"INSERT INTO {table} VALUES (:id, :amount)", parameters={"id": "7", "amount": "1.50"})["ResultRows"] == 1
    rows = data_api.rows(f"SELECT amount, ':id' FROM {table} WHERE id = :id AND amount > :low::numeric", parameters={"id": "7", "low": "1"})
    assert rows == [[{"stringValue": "1.50"}, {"stringValue": ":id"}]]


def test_missing_and_unused_parameters_are_refused_at_once(data_api: DataApi) -> None:
    call = data_api.client.execute_statement
    parameters = [{"name": "a", "value": "1"}]
    assert "Cannot find parameter: b" in refused("ValidationException", call, Sql="SELECT :a, :b", Parameters=parameters, **data_api.login)
    assert "unused" in refused("ValidationException", call, Sql="SELECT 1", Parameters=parameters, **data_api.login)


def test_a_failure_has_the_text_of_the_database(data_api: DataApi) -> None:
    description = data_api.run("SELECT * FROM no_such_table")
    assert description["Status"] == "FAILED"
    assert 'relation "no_such_table" does not exist' in description["Error"]
    assert not description["HasResultSet"]
    refused("ValidationException", data_api.client.get_statement_result, Id=description["Id"])


def test_a_batch_is_one_transaction(data_api: DataApi, table: str) -> None:
    description = data_api.run([f"INSERT INTO {table} VALUES (1, 1)", f"INSERT INTO {table} VALUES (2, 'x')", f"INSERT INTO {table} VALUES (3, 3)"])
    assert description["Status"] == "FAILED"
    assert "invalid input syntax" in description["Error"]
    assert [sub["Status"] for sub in description["SubStatements"]] == ["ABORTED", "FAILED", "ABORTED"]
    assert data_api.rows(f"SELECT count(*) FROM {table}") == [[{"longValue": 0}]]


def test_a_good_batch_has_a_result_per_statement(data_api: DataApi, table: str) -> None:
    identity = data_api.submit([f"INSERT INTO {table} VALUES (1, 1), (2, 2)", f"SELECT count(*) FROM {table}"])
    description = data_api.wait(identity)
    assert [(sub["Id"], sub["Status"], sub["HasResultSet"]) for sub in description["SubStatements"]] == [
        (f"{identity}:1", "FINISHED", False),
        (f"{identity}:2", "FINISHED", True),
    ]
    assert description["SubStatements"][0]["ResultRows"] == 2
    assert data_api.client.get_statement_result(Id=f"{identity}:2")["Records"] == [[{"longValue": 2}]]


def test_unknown_statements_and_missing_results(data_api: DataApi, table: str) -> None:
    for call in ("describe_statement", "get_statement_result", "cancel_statement"):
        refused("ResourceNotFoundException", getattr(data_api.client, call), Id=str(uuid.uuid4()))
    without = data_api.run(f"INSERT INTO {table} VALUES (1, 1)")
    assert "does not have result" in refused("ResourceNotFoundException", data_api.client.get_statement_result, Id=without["Id"])


def test_a_long_result_comes_in_pages(data_api: DataApi) -> None:
    identity = data_api.submit("SELECT generate_series(1, 2500)")
    data_api.wait(identity)
    pages = list(data_api.client.get_paginator("get_statement_result").paginate(Id=identity))
    assert [len(page["Records"]) for page in pages] == [1000, 1000, 500]
    assert pages[0]["TotalNumRows"] == 2500
    assert pages[-1]["Records"][-1] == [{"longValue": 2500}]


def test_a_running_statement_says_so_and_can_be_cancelled(data_api: DataApi) -> None:
    identity = data_api.submit("SELECT pg_sleep(60)")
    deadline = time.monotonic() + 10
    while (status := data_api.client.describe_statement(Id=identity)["Status"]) != "STARTED":
        assert status == "SUBMITTED" and time.monotonic() < deadline
        time.sleep(0.02)
    refused("ValidationException", data_api.client.get_statement_result, Id=identity)
    assert data_api.client.cancel_statement(Id=identity)["Status"] is True
    assert data_api.wait(identity)["Status"] == "ABORTED"
    assert "ABORTED" in refused("ValidationException", data_api.client.cancel_statement, Id=identity)


def test_a_client_token_submits_once(data_api: DataApi, table: str) -> None:
    token = uuid.uuid4().hex
    sql = f"INSERT INTO {table} VALUES (1, 1)"
    first = data_api.submit(sql, ClientToken=token)
    data_api.wait(first)
    assert data_api.submit(sql, ClientToken=token) == first
    assert data_api.rows(f"SELECT count(*) FROM {table}") == [[{"longValue": 1}]]
    refused("ValidationException", data_api.client.execute_statement, Sql="SELECT 1", ClientToken=token, **data_api.login)


def test_the_login_is_the_one_of_the_secret(data_api: DataApi, stack) -> None:
    client = stack.client("secretsmanager")
    wrong = client.create_secret(Name=f"wrong-{uuid.uuid4().hex}", SecretString='{"username": "loader", "password": "wrong"}')["ARN"]
    client.create_secret(Name=(odd := f"odd-{uuid.uuid4().hex}"), SecretString="not JSON")
    for secret, words in ((wrong, "password authentication failed"), (odd, "username and password"), ("no-such-secret", "no-such-secret")):
        description = data_api.wait(data_api.client.execute_statement(Sql="SELECT 1", **data_api.login | {"SecretArn": secret})["Id"])
        assert description["Status"] == "FAILED"
        assert words in description["Error"]
        assert "wrong" not in description["Error"] or secret != wrong


def test_the_limits_of_the_service_hold(data_api: DataApi) -> None:
    call = data_api.client.execute_statement
    assert "doesn't exist" in refused("ValidationException", call, Sql="SELECT 1", **data_api.login | {"WorkgroupName": "another"})
    assert "bytes" in refused("ValidationException", call, Sql="SELECT '" + "x" * 102_400 + "'", **data_api.login)
    refused("ValidationException", data_api.client.batch_execute_statement, Sqls=["SELECT 1"] * 41, **data_api.login)
