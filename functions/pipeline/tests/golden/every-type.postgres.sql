-- prepare

-- create_crosstally_schema
/* crosstally create_crosstally_schema of run-1 */ CREATE SCHEMA IF NOT EXISTS crosstally;

-- create_ledger
/* crosstally create_ledger of run-1 */ CREATE TABLE IF NOT EXISTS crosstally.ledger (
  run_id VARCHAR(128) NOT NULL,
  commit_order BIGINT NOT NULL,
  replay_of VARCHAR(128),
  contract_version VARCHAR(64) NOT NULL,
  contract_sha256 VARCHAR(64) NOT NULL,
  source_uri VARCHAR(2048) NOT NULL,
  source_version VARCHAR(256) NOT NULL,
  source_modified_at TIMESTAMPTZ NOT NULL,
  customers_uri VARCHAR(2048) NOT NULL,
  customers_version VARCHAR(1024) NOT NULL,
  rows_read BIGINT NOT NULL,
  rows_loaded BIGINT NOT NULL,
  rows_inserted BIGINT NOT NULL,
  rows_updated BIGINT NOT NULL,
  rows_unchanged BIGINT NOT NULL,
  rows_superseded BIGINT NOT NULL,
  rows_quarantined BIGINT NOT NULL,
  rows_written BIGINT NOT NULL,
  rows_matched BIGINT NOT NULL,
  rows_unmatched BIGINT NOT NULL,
  quarantined_by_rule VARCHAR(65535) NOT NULL,
  customers_read BIGINT NOT NULL,
  customers_kept BIGINT NOT NULL,
  customers_superseded BIGINT NOT NULL,
  customers_quarantined BIGINT NOT NULL,
  sums VARCHAR(65535) NOT NULL,
  load_seconds DECIMAL(12,3) NOT NULL,
  run_seconds DECIMAL(12,3) NOT NULL,
  committed_at TIMESTAMPTZ NOT NULL
);

-- drop_old_staging
/* crosstally drop_old_staging of run-1 */ DROP TABLE IF EXISTS crosstally.staging_4e65d3fbe8ad6535;

-- drop_old_staging_quarantine
/* crosstally drop_old_staging_quarantine of run-1 */ DROP TABLE IF EXISTS crosstally.staging_4e65d3fbe8ad6535_quarantine;

-- create_staging
/* crosstally create_staging of run-1 */ CREATE TABLE crosstally.staging_4e65d3fbe8ad6535 (
  "id" VARCHAR(64) NOT NULL,
  "customer_id" CHAR(8) NOT NULL,
  "street" VARCHAR(64),
  "sku" VARCHAR(40),
  "amount" DECIMAL(38,10),
  "big" DECIMAL(30,0),
  "small" SMALLINT,
  "whole" INTEGER,
  "long" BIGINT,
  "rate" DOUBLE PRECISION,
  "flag" BOOLEAN,
  "day" DATE,
  "at" TIMESTAMP NOT NULL,
  "local_at" TIMESTAMP,
  "items" VARCHAR(65535),
  "matched" BOOLEAN NOT NULL,
  "name" VARCHAR(128) NOT NULL,
  "email" VARCHAR(64),
  "phone" VARCHAR(32),
  "note" VARCHAR(8),
  "_source_uri" VARCHAR(2048) NOT NULL,
  "_source_offset" BIGINT NOT NULL,
  "_matched" BOOLEAN NOT NULL
);

-- create_staging_quarantine
/* crosstally create_staging_quarantine of run-1 */ CREATE TABLE crosstally.staging_4e65d3fbe8ad6535_quarantine (
  source VARCHAR(128) NOT NULL,
  source_uri VARCHAR(2048) NOT NULL,
  source_offset BIGINT NOT NULL,
  rule VARCHAR(64) NOT NULL,
  column_name VARCHAR(128),
  record VARCHAR(65535) NOT NULL,
  record_bytes BIGINT NOT NULL
);

-- transaction

-- lock_ledger
/* crosstally lock_ledger of run-1 */ LOCK TABLE crosstally.ledger IN SHARE ROW EXCLUSIVE MODE;

-- refuse_second_load
/* crosstally refuse_second_load of run-1 */ SELECT CAST(CASE WHEN COUNT(*) > 0 THEN 'AlreadyLoaded: the run run-1 stands in the ledger, so there is nothing to do' ELSE '0' END AS INTEGER) FROM crosstally.ledger WHERE run_id = 'run-1';

-- create_target_schema
/* crosstally create_target_schema of run-1 */ CREATE SCHEMA IF NOT EXISTS "mart";

-- create_target
/* crosstally create_target of run-1 */ CREATE TABLE IF NOT EXISTS "mart"."order_facts" (
  "id" VARCHAR(64) NOT NULL,
  "customer_id" CHAR(8) NOT NULL,
  "street" VARCHAR(64),
  "sku" VARCHAR(40),
  "amount" DECIMAL(38,10),
  "big" DECIMAL(30,0),
  "small" SMALLINT,
  "whole" INTEGER,
  "long" BIGINT,
  "rate" DOUBLE PRECISION,
  "flag" BOOLEAN,
  "day" DATE,
  "at" TIMESTAMPTZ NOT NULL,
  "local_at" TIMESTAMP,
  "items" JSONB,
  "matched" BOOLEAN NOT NULL,
  "name" VARCHAR(128) NOT NULL,
  "email" VARCHAR(64),
  "phone" VARCHAR(32),
  "note" VARCHAR(8),
  "_run_id" VARCHAR(128) NOT NULL,
  "_source_uri" VARCHAR(2048) NOT NULL,
  "_source_offset" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL
);

-- create_quarantine
/* crosstally create_quarantine of run-1 */ CREATE TABLE IF NOT EXISTS crosstally.quarantine (
  run_id VARCHAR(128) NOT NULL,
  source VARCHAR(128) NOT NULL,
  source_uri VARCHAR(2048) NOT NULL,
  source_offset BIGINT NOT NULL,
  rule VARCHAR(64) NOT NULL,
  column_name VARCHAR(128),
  record VARCHAR(65535) NOT NULL,
  record_bytes BIGINT NOT NULL,
  quarantined_at TIMESTAMPTZ NOT NULL
);

-- fold
/* crosstally fold of run-1 */ CREATE TEMP TABLE crosstally_fold AS
SELECT f.*, f._fate IN ('inserted', 'updated') OR (f._fate = 'unchanged' AND NOT f._is_in_place) AS _is_written
FROM (
  SELECT s."id", s."_source_uri", s."_source_offset", s."_matched",
    CASE WHEN s._rank > 1 THEN 'superseded'
      WHEN t."id" IS NULL THEN 'inserted'
      WHEN l.source_modified_at > CAST('2026-01-01T00:00:00Z' AS TIMESTAMPTZ) OR (l.source_version = '0123456789abcdef' AND t."_source_offset" > s."_source_offset") THEN 'superseded'
      WHEN (t."customer_id" = s."customer_id" OR (t."customer_id" IS NULL AND s."customer_id" IS NULL))
      AND (t."street" = s."street" OR (t."street" IS NULL AND s."street" IS NULL))
      AND (t."sku" = s."sku" OR (t."sku" IS NULL AND s."sku" IS NULL))
      AND (t."amount" = s."amount" OR (t."amount" IS NULL AND s."amount" IS NULL))
      AND (t."big" = s."big" OR (t."big" IS NULL AND s."big" IS NULL))
      AND (t."small" = s."small" OR (t."small" IS NULL AND s."small" IS NULL))
      AND (t."whole" = s."whole" OR (t."whole" IS NULL AND s."whole" IS NULL))
      AND (t."long" = s."long" OR (t."long" IS NULL AND s."long" IS NULL))
      AND (t."rate" = s."rate" OR (t."rate" IS NULL AND s."rate" IS NULL))
      AND (t."flag" = s."flag" OR (t."flag" IS NULL AND s."flag" IS NULL))
      AND (t."day" = s."day" OR (t."day" IS NULL AND s."day" IS NULL))
      AND (t."at" = (s."at" AT TIME ZONE 'UTC') OR (t."at" IS NULL AND s."at" IS NULL))
      AND (t."local_at" = s."local_at" OR (t."local_at" IS NULL AND s."local_at" IS NULL))
      AND (t."items" = CAST(s."items" AS JSONB) OR (t."items" IS NULL AND s."items" IS NULL))
      AND (t."matched" = s."matched" OR (t."matched" IS NULL AND s."matched" IS NULL))
      AND (t."name" = s."name" OR (t."name" IS NULL AND s."name" IS NULL))
      AND (t."email" = s."email" OR (t."email" IS NULL AND s."email" IS NULL))
      AND (t."phone" = s."phone" OR (t."phone" IS NULL AND s."phone" IS NULL))
      AND (t."note" = s."note" OR (t."note" IS NULL AND s."note" IS NULL)) THEN 'unchanged'
      ELSE 'updated' END AS _fate,
    COALESCE(l.source_version = '0123456789abcdef' AND t."_source_uri" = s."_source_uri" AND t."_source_offset" = s."_source_offset", FALSE) AS _is_in_place
  FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "id" ORDER BY "_source_uri" DESC, "_source_offset" DESC) AS _rank FROM crosstally.staging_4e65d3fbe8ad6535) s
  LEFT JOIN "mart"."order_facts" t ON t."id" = s."id"
  LEFT JOIN crosstally.ledger l ON l.run_id = t."_run_id"
) f;

-- analyze_fold
/* crosstally analyze_fold of run-1 */ ANALYZE crosstally_fold;

-- delete_replaced
/* crosstally delete_replaced of run-1 */ DELETE FROM "mart"."order_facts" USING crosstally_fold f WHERE "order_facts"."id" = f."id" AND f._is_written;

-- insert_rows
/* crosstally insert_rows of run-1 */ INSERT INTO "mart"."order_facts" ("id", "customer_id", "street", "sku", "amount", "big", "small", "whole", "long", "rate", "flag", "day", "at", "local_at", "items", "matched", "name", "email", "phone", "note", "_run_id", "_source_uri", "_source_offset", "_loaded_at")
SELECT s."id", s."customer_id", s."street", s."sku", s."amount", s."big", s."small", s."whole", s."long", s."rate", s."flag", s."day", (s."at" AT TIME ZONE 'UTC'), s."local_at", CAST(s."items" AS JSONB), s."matched", s."name", s."email", s."phone", s."note", 'run-1', s."_source_uri", s."_source_offset", CURRENT_TIMESTAMP
FROM crosstally.staging_4e65d3fbe8ad6535 s JOIN crosstally_fold f ON f."_source_uri" = s."_source_uri" AND f."_source_offset" = s."_source_offset"
WHERE f._is_written;

-- insert_quarantine
/* crosstally insert_quarantine of run-1 */ INSERT INTO crosstally.quarantine (run_id, source, source_uri, source_offset, rule, column_name, record, record_bytes, quarantined_at)
SELECT 'run-1', source, source_uri, source_offset, rule, column_name, record, record_bytes, CURRENT_TIMESTAMP FROM crosstally.staging_4e65d3fbe8ad6535_quarantine;

-- tally
/* crosstally tally of run-1 */ CREATE TEMP TABLE crosstally_tally AS
SELECT * FROM (
  SELECT COUNT(*) AS staged, COALESCE(SUM(CASE WHEN _fate = 'inserted' THEN 1 ELSE 0 END), 0) AS inserted, COALESCE(SUM(CASE WHEN _fate = 'updated' THEN 1 ELSE 0 END), 0) AS updated, COALESCE(SUM(CASE WHEN _fate = 'unchanged' THEN 1 ELSE 0 END), 0) AS unchanged, COALESCE(SUM(CASE WHEN _fate = 'superseded' THEN 1 ELSE 0 END), 0) AS superseded,
    COALESCE(SUM(CASE WHEN _is_written THEN 1 ELSE 0 END), 0) AS written,
    COALESCE(SUM(CASE WHEN _fate <> 'superseded' AND "_matched" THEN 1 ELSE 0 END), 0) AS matched
  FROM crosstally_fold
) a CROSS JOIN (
  SELECT COUNT(*) AS loaded,
    CAST(COALESCE(SUM(CAST(l."amount" AS DECIMAL(38,10))), 0) AS DECIMAL(38,10)) AS loaded_0,
    CAST(COALESCE(SUM(CAST(l."big" AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS loaded_1,
    CAST(COALESCE(SUM(CAST(l."small" AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS loaded_2,
    CAST(COALESCE(SUM(CAST(l."whole" AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS loaded_3,
    CAST(COALESCE(SUM(CAST(l."long" AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS loaded_4,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._is_written THEN l."amount" END AS DECIMAL(38,10))), 0) AS DECIMAL(38,10)) AS written_0,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._is_written THEN l."big" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS written_1,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._is_written THEN l."small" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS written_2,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._is_written THEN l."whole" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS written_3,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._is_written THEN l."long" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS written_4,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'inserted' THEN l."amount" END AS DECIMAL(38,10))), 0) AS DECIMAL(38,10)) AS inserted_0,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'inserted' THEN l."big" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS inserted_1,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'inserted' THEN l."small" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS inserted_2,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'inserted' THEN l."whole" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS inserted_3,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'inserted' THEN l."long" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS inserted_4,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'updated' THEN l."amount" END AS DECIMAL(38,10))), 0) AS DECIMAL(38,10)) AS updated_0,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'updated' THEN l."big" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS updated_1,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'updated' THEN l."small" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS updated_2,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'updated' THEN l."whole" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS updated_3,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'updated' THEN l."long" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS updated_4,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'unchanged' THEN l."amount" END AS DECIMAL(38,10))), 0) AS DECIMAL(38,10)) AS unchanged_0,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'unchanged' THEN l."big" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS unchanged_1,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'unchanged' THEN l."small" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS unchanged_2,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'unchanged' THEN l."whole" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS unchanged_3,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'unchanged' THEN l."long" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS unchanged_4
  FROM (
    SELECT f._fate, f._is_written, t."amount", t."big", t."small", t."whole", t."long"
    FROM crosstally_fold f JOIN "mart"."order_facts" t ON t."id" = f."id" AND t."_source_uri" = f."_source_uri" AND t."_source_offset" = f."_source_offset"
    WHERE f._is_written AND t."_run_id" = 'run-1'
    UNION ALL
    SELECT f._fate, f._is_written, t."amount", t."big", t."small", t."whole", t."long"
    FROM crosstally_fold f JOIN "mart"."order_facts" t ON t."id" = f."id" AND t."_source_uri" = f."_source_uri" AND t."_source_offset" = f."_source_offset"
    WHERE f._fate <> 'superseded' AND NOT f._is_written
  ) l
) b CROSS JOIN (
  SELECT COUNT(*) AS replaced,
    CAST(COALESCE(SUM(CAST(s."amount" AS DECIMAL(38,10))), 0) AS DECIMAL(38,10)) AS superseded_0,
    CAST(COALESCE(SUM(CAST(s."big" AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS superseded_1,
    CAST(COALESCE(SUM(CAST(s."small" AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS superseded_2,
    CAST(COALESCE(SUM(CAST(s."whole" AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS superseded_3,
    CAST(COALESCE(SUM(CAST(s."long" AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS superseded_4
  FROM crosstally_fold f JOIN crosstally.staging_4e65d3fbe8ad6535 s ON f."_source_uri" = s."_source_uri" AND f."_source_offset" = s."_source_offset"
  WHERE f._fate = 'superseded'
) c CROSS JOIN (
  SELECT COUNT(*) AS quarantined FROM crosstally.quarantine WHERE run_id = 'run-1'
) d;

-- check_law
/* crosstally check_law of run-1 */ SELECT CAST(CASE WHEN staged = 9
  AND loaded + superseded = 9
  AND loaded = inserted + updated + unchanged
  AND superseded = replaced
  AND quarantined = 1
  AND loaded_0 + superseded_0 = 12.50
  AND loaded_1 + superseded_1 = 0
  AND loaded_2 + superseded_2 = 0
  AND loaded_3 + superseded_3 = 0
  AND loaded_4 + superseded_4 = 0
  THEN '0' ELSE 'LedgerMismatch: 9 clean rows were written, and the warehouse has staged ' || CAST(staged AS VARCHAR)
  || ', loaded ' || CAST(loaded AS VARCHAR)
  || ', superseded ' || CAST(superseded AS VARCHAR)
  || '; 1 rows were quarantined, and it has ' || CAST(quarantined AS VARCHAR)
  || '; amount: 12.50 clean, ' || CAST(loaded_0 AS VARCHAR) || ' loaded and ' || CAST(superseded_0 AS VARCHAR) || ' superseded'
  || '; big: 0 clean, ' || CAST(loaded_1 AS VARCHAR) || ' loaded and ' || CAST(superseded_1 AS VARCHAR) || ' superseded'
  || '; small: 0 clean, ' || CAST(loaded_2 AS VARCHAR) || ' loaded and ' || CAST(superseded_2 AS VARCHAR) || ' superseded'
  || '; whole: 0 clean, ' || CAST(loaded_3 AS VARCHAR) || ' loaded and ' || CAST(superseded_3 AS VARCHAR) || ' superseded'
  || '; long: 0 clean, ' || CAST(loaded_4 AS VARCHAR) || ' loaded and ' || CAST(superseded_4 AS VARCHAR) || ' superseded' END AS INTEGER) FROM crosstally_tally;

-- insert_ledger
/* crosstally insert_ledger of run-1 */ INSERT INTO crosstally.ledger (run_id, commit_order, replay_of, contract_version, contract_sha256, source_uri, source_version, source_modified_at, customers_uri, customers_version, rows_read, rows_loaded, rows_inserted, rows_updated, rows_unchanged, rows_superseded, rows_quarantined, rows_written, rows_matched, rows_unmatched, quarantined_by_rule, customers_read, customers_kept, customers_superseded, customers_quarantined, sums, load_seconds, run_seconds, committed_at)
SELECT 'run-1', (SELECT COALESCE(MAX(commit_order), 0) + 1 FROM crosstally.ledger), NULL, '2.0.0', 'c0ffee', 'https://account/container/transactions.json', '0123456789abcdef', CAST('2026-01-01T00:00:00Z' AS TIMESTAMPTZ), 's3://bucket/landing/customers/customers.csv', '"e"', 10, loaded, inserted, updated, unchanged, superseded, 1, written, matched, loaded - matched, '{"amount.minimum":1}', 3, 2, 1, 0, '{"amount":{"clean":"12.50","loaded":"' || CAST(loaded_0 AS VARCHAR) || '","inserted":"' || CAST(inserted_0 AS VARCHAR) || '","updated":"' || CAST(updated_0 AS VARCHAR) || '","unchanged":"' || CAST(unchanged_0 AS VARCHAR) || '","superseded":"' || CAST(superseded_0 AS VARCHAR) || '","written":"' || CAST(written_0 AS VARCHAR) || '"},"big":{"clean":"0","loaded":"' || CAST(loaded_1 AS VARCHAR) || '","inserted":"' || CAST(inserted_1 AS VARCHAR) || '","updated":"' || CAST(updated_1 AS VARCHAR) || '","unchanged":"' || CAST(unchanged_1 AS VARCHAR) || '","superseded":"' || CAST(superseded_1 AS VARCHAR) || '","written":"' || CAST(written_1 AS VARCHAR) || '"},"small":{"clean":"0","loaded":"' || CAST(loaded_2 AS VARCHAR) || '","inserted":"' || CAST(inserted_2 AS VARCHAR) || '","updated":"' || CAST(updated_2 AS VARCHAR) || '","unchanged":"' || CAST(unchanged_2 AS VARCHAR) || '","superseded":"' || CAST(superseded_2 AS VARCHAR) || '","written":"' || CAST(written_2 AS VARCHAR) || '"},"whole":{"clean":"0","loaded":"' || CAST(loaded_3 AS VARCHAR) || '","inserted":"' || CAST(inserted_3 AS VARCHAR) || '","updated":"' || CAST(updated_3 AS VARCHAR) || '","unchanged":"' || CAST(unchanged_3 AS VARCHAR) || '","superseded":"' || CAST(superseded_3 AS VARCHAR) || '","written":"' || CAST(written_3 AS VARCHAR) || '"},"long":{"clean":"0","loaded":"' || CAST(loaded_4 AS VARCHAR) || '","inserted":"' || CAST(inserted_4 AS VARCHAR) || '","updated":"' || CAST(updated_4 AS VARCHAR) || '","unchanged":"' || CAST(unchanged_4 AS VARCHAR) || '","superseded":"' || CAST(superseded_4 AS VARCHAR) || '","written":"' || CAST(written_4 AS VARCHAR) || '"}}', CAST(EXTRACT(EPOCH FROM clock_timestamp()) - EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) AS DECIMAL(12,3)), CAST(EXTRACT(EPOCH FROM clock_timestamp()) - EXTRACT(EPOCH FROM CAST('2026-01-01T02:00:00.123Z' AS TIMESTAMPTZ)) AS DECIMAL(12,3)), clock_timestamp() FROM crosstally_tally;

-- cleanup

-- drop_staging
/* crosstally drop_staging of run-1 */ DROP TABLE IF EXISTS crosstally.staging_4e65d3fbe8ad6535;

-- drop_staging_quarantine
/* crosstally drop_staging_quarantine of run-1 */ DROP TABLE IF EXISTS crosstally.staging_4e65d3fbe8ad6535_quarantine;

