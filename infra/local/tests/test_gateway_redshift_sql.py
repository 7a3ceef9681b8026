"""Redshift's SQL: what is translated, and what is left alone."""

import pytest
from laptop.gateway.redshift_sql import translate
from laptop.gateway.sql_tokens import tokenize


def without_spaces(sql: str) -> list[str]:
    return [token.text for token in tokenize(sql) if token.kind != "space"]


@pytest.mark.parametrize(
    ("redshift", "postgres"),
    [
        ("CREATE TABLE t (a INT, PRIMARY KEY (a))", "CREATE TABLE t (a INT)"),
        ("CREATE TABLE t (PRIMARY KEY (a, b), a INT, b INT)", "CREATE TABLE t (a INT, b INT)"),
        ("CREATE TABLE t (a DECIMAL(18,2), CONSTRAINT k PRIMARY KEY (a), b INT)", "CREATE TABLE t (a DECIMAL(18,2), b INT)"),
        ('create temp table "t"."u" (a INT NOT NULL, primary key("a"))', 'create temp table "t"."u" (a INT NOT NULL)'),
        ('CREATE TABLE t ("primary" INT, "key" INT)', 'CREATE TABLE t ("primary" INT, "key" INT)'),
        ("CREATE TABLE t (a INT) DISTSTYLE AUTO SORTKEY AUTO ENCODE AUTO", "CREATE TABLE t (a INT)"),
        ("CREATE TABLE t DISTSTYLE AUTO AS SELECT encode auto FROM u", "CREATE TABLE t AS SELECT encode auto FROM u"),
        ('CREATE TABLE t (a SUPER, super SUPER NOT NULL, "super" INT)', 'CREATE TABLE t (a JSONB, super JSONB NOT NULL, "super" INT)'),
        ("ALTER TABLE t ADD COLUMN super SUPER", "ALTER TABLE t ADD COLUMN super JSONB"),
        ("ALTER TABLE t ADD a super", "ALTER TABLE t ADD a JSONB"),
        ("ALTER TABLE t RENAME COLUMN super TO super", "ALTER TABLE t RENAME COLUMN super TO super"),
        ("SELECT CAST(a AS SUPER), a::super, a AS super", "SELECT CAST(a AS JSONB), a::JSONB, a AS super"),
        ("SELECT SYSDATE, sysdate", "SELECT sysdate(), sysdate()"),
        ("SELECT t.sysdate, 1 AS sysdate", "SELECT t.sysdate, 1 AS sysdate"),
        ("SELECT json_serialize(a), json_parse(b), GETDATE()", 'SELECT "json_serialize"(a), json_parse(b), GETDATE()'),
        ("LOCK TABLE t", "LOCK TABLE t"),
        ("/* CREATE */ CREATE TABLE t (a SUPER)", "/* CREATE */ CREATE TABLE t (a JSONB)"),
        ("-- x\n/* a /* nested */ SYSDATE */ SELECT SYSDATE", "-- x\n/* a /* nested */ SYSDATE */ SELECT sysdate()"),
    ],
    ids=lambda sql: sql,
)
def test_what_differs_is_translated(redshift: str, postgres: str) -> None:
    assert without_spaces(translate(redshift)) == without_spaces(postgres)


@pytest.mark.parametrize(
    "kept", ["'SYSDATE'", "'it''s SYSDATE'", r"'it\'s SYSDATE'", '"SYSDATE"', "/* SYSDATE */", "-- SYSDATE\n", "$$ SYSDATE $$", "a.SYSDATE"]
)
def test_what_only_looks_like_code_is_left_alone(kept: str) -> None:
    assert translate(f"SELECT {kept}, SYSDATE") == f"SELECT {kept}, sysdate()"


@pytest.mark.parametrize("sql", ["", "'open", '"open', "/* open /* twice */", "$$ open", "a ' b \" c", "SELECT 1 -- end", "é::ü"])
def test_the_tokens_are_the_statement_again(sql: str) -> None:
    assert "".join(token.text for token in tokenize(sql)) == sql
