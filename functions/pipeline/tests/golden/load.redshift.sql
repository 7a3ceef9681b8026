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
)
DISTSTYLE AUTO SORTKEY AUTO ENCODE AUTO;

-- transaction

-- lock_ledger
/* crosstally lock_ledger of run-1 */ LOCK TABLE crosstally.ledger;

-- refuse_second_load
/* crosstally refuse_second_load of run-1 */ SELECT CAST(CASE WHEN COUNT(*) > 0 THEN 'AlreadyLoaded: the run run-1 stands in the ledger, so there is nothing to do' ELSE '0' END AS INTEGER) FROM crosstally.ledger WHERE run_id = 'run-1';

-- create_target_schema
/* crosstally create_target_schema of run-1 */ CREATE SCHEMA IF NOT EXISTS "analytics";

-- create_target
/* crosstally create_target of run-1 */ CREATE TABLE IF NOT EXISTS "analytics"."customer_transactions" (
  "transaction_id" VARCHAR(64) NOT NULL,
  "customer_id" VARCHAR(64) NOT NULL,
  "amount" DECIMAL(18,2) NOT NULL,
  "currency" VARCHAR(16) NOT NULL,
  "product" VARCHAR(512),
  "quantity" INTEGER,
  "payment_method" VARCHAR(64),
  "status" VARCHAR(64),
  "transaction_ts" TIMESTAMPTZ NOT NULL,
  "customer_matched" BOOLEAN NOT NULL,
  "first_name" VARCHAR(256),
  "last_name" VARCHAR(256),
  "email" VARCHAR(320),
  "phone" VARCHAR(64),
  "country" VARCHAR(64),
  "city" VARCHAR(256),
  "signup_date" DATE,
  "_run_id" VARCHAR(128) NOT NULL,
  "_source_uri" VARCHAR(2048) NOT NULL,
  "_source_offset" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL,
  PRIMARY KEY ("transaction_id")
)
DISTSTYLE AUTO SORTKEY AUTO ENCODE AUTO;

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
)
DISTSTYLE AUTO SORTKEY AUTO ENCODE AUTO;

-- create_staging
/* crosstally create_staging of run-1 */ CREATE TEMP TABLE crosstally_staging (
  "transaction_id" VARCHAR(64) NOT NULL,
  "customer_id" VARCHAR(64) NOT NULL,
  "amount" DECIMAL(18,2) NOT NULL,
  "currency" VARCHAR(16) NOT NULL,
  "product" VARCHAR(512),
  "quantity" INTEGER,
  "payment_method" VARCHAR(64),
  "status" VARCHAR(64),
  "transaction_ts" TIMESTAMP NOT NULL,
  "customer_matched" BOOLEAN NOT NULL,
  "first_name" VARCHAR(256),
  "last_name" VARCHAR(256),
  "email" VARCHAR(320),
  "phone" VARCHAR(64),
  "country" VARCHAR(64),
  "city" VARCHAR(256),
  "signup_date" DATE,
  "_source_uri" VARCHAR(2048) NOT NULL,
  "_source_offset" BIGINT NOT NULL,
  "_matched" BOOLEAN NOT NULL
);

-- create_staging_quarantine
/* crosstally create_staging_quarantine of run-1 */ CREATE TEMP TABLE crosstally_staging_quarantine (
  source VARCHAR(128) NOT NULL,
  source_uri VARCHAR(2048) NOT NULL,
  source_offset BIGINT NOT NULL,
  rule VARCHAR(64) NOT NULL,
  column_name VARCHAR(128),
  record VARCHAR(65535) NOT NULL,
  record_bytes BIGINT NOT NULL
);

-- copy_staging
/* crosstally copy_staging of run-1 */ COPY crosstally_staging FROM 's3://bucket/runs/run-1/copy-clean.json' IAM_ROLE 'arn:aws:iam::123456789012:role/copy' FORMAT AS PARQUET MANIFEST;

-- copy_staging_quarantine
/* crosstally copy_staging_quarantine of run-1 */ COPY crosstally_staging_quarantine FROM 's3://bucket/runs/run-1/copy-quarantine.json' IAM_ROLE 'arn:aws:iam::123456789012:role/copy' FORMAT AS PARQUET MANIFEST;

-- fold
/* crosstally fold of run-1 */ CREATE TEMP TABLE crosstally_fold AS
SELECT f.*, f._fate IN ('inserted', 'updated') OR (f._fate = 'unchanged' AND NOT f._is_in_place) AS _is_written
FROM (
  SELECT s."transaction_id", s."_source_uri", s."_source_offset", s."_matched",
    CASE WHEN s._rank > 1 THEN 'superseded'
      WHEN t."transaction_id" IS NULL THEN 'inserted'
      WHEN l.source_modified_at > CAST('2026-01-01T00:00:00Z' AS TIMESTAMPTZ) OR (l.source_version = '0123456789abcdef' AND t."_source_offset" > s."_source_offset") THEN 'superseded'
      WHEN (t."customer_id" = s."customer_id" OR (t."customer_id" IS NULL AND s."customer_id" IS NULL))
      AND (t."amount" = s."amount" OR (t."amount" IS NULL AND s."amount" IS NULL))
      AND (t."currency" = s."currency" OR (t."currency" IS NULL AND s."currency" IS NULL))
      AND (t."product" = s."product" OR (t."product" IS NULL AND s."product" IS NULL))
      AND (t."quantity" = s."quantity" OR (t."quantity" IS NULL AND s."quantity" IS NULL))
      AND (t."payment_method" = s."payment_method" OR (t."payment_method" IS NULL AND s."payment_method" IS NULL))
      AND (t."status" = s."status" OR (t."status" IS NULL AND s."status" IS NULL))
      AND (t."transaction_ts" = (s."transaction_ts" AT TIME ZONE 'UTC') OR (t."transaction_ts" IS NULL AND s."transaction_ts" IS NULL))
      AND (t."customer_matched" = s."customer_matched" OR (t."customer_matched" IS NULL AND s."customer_matched" IS NULL))
      AND (t."first_name" = s."first_name" OR (t."first_name" IS NULL AND s."first_name" IS NULL))
      AND (t."last_name" = s."last_name" OR (t."last_name" IS NULL AND s."last_name" IS NULL))
      AND (t."email" = s."email" OR (t."email" IS NULL AND s."email" IS NULL))
      AND (t."phone" = s."phone" OR (t."phone" IS NULL AND s."phone" IS NULL))
      AND (t."country" = s."country" OR (t."country" IS NULL AND s."country" IS NULL))
      AND (t."city" = s."city" OR (t."city" IS NULL AND s."city" IS NULL))
      AND (t."signup_date" = s."signup_date" OR (t."signup_date" IS NULL AND s."signup_date" IS NULL)) THEN 'unchanged'
      ELSE 'updated' END AS _fate,
    COALESCE(l.source_version = '0123456789abcdef' AND t."_source_uri" = s."_source_uri" AND t."_source_offset" = s."_source_offset", FALSE) AS _is_in_place
  FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "transaction_id" ORDER BY "_source_uri" DESC, "_source_offset" DESC) AS _rank FROM crosstally_staging) s
  LEFT JOIN "analytics"."customer_transactions" t ON t."transaction_id" = s."transaction_id"
  LEFT JOIN crosstally.ledger l ON l.run_id = t."_run_id"
) f;

-- delete_replaced
/* crosstally delete_replaced of run-1 */ DELETE FROM "analytics"."customer_transactions" USING crosstally_fold f WHERE "customer_transactions"."transaction_id" = f."transaction_id" AND f._is_written;

-- insert_rows
/* crosstally insert_rows of run-1 */ INSERT INTO "analytics"."customer_transactions" ("transaction_id", "customer_id", "amount", "currency", "product", "quantity", "payment_method", "status", "transaction_ts", "customer_matched", "first_name", "last_name", "email", "phone", "country", "city", "signup_date", "_run_id", "_source_uri", "_source_offset", "_loaded_at")
SELECT s."transaction_id", s."customer_id", s."amount", s."currency", s."product", s."quantity", s."payment_method", s."status", (s."transaction_ts" AT TIME ZONE 'UTC'), s."customer_matched", s."first_name", s."last_name", s."email", s."phone", s."country", s."city", s."signup_date", 'run-1', s."_source_uri", s."_source_offset", (SYSDATE AT TIME ZONE 'UTC')
FROM crosstally_staging s JOIN crosstally_fold f ON f."_source_uri" = s."_source_uri" AND f."_source_offset" = s."_source_offset"
WHERE f._is_written;

-- insert_quarantine
/* crosstally insert_quarantine of run-1 */ INSERT INTO crosstally.quarantine (run_id, source, source_uri, source_offset, rule, column_name, record, record_bytes, quarantined_at)
SELECT 'run-1', source, source_uri, source_offset, rule, column_name, record, record_bytes, (SYSDATE AT TIME ZONE 'UTC') FROM crosstally_staging_quarantine;

-- tally
/* crosstally tally of run-1 */ CREATE TEMP TABLE crosstally_tally AS
SELECT * FROM (
  SELECT COUNT(*) AS staged, COALESCE(SUM(CASE WHEN _fate = 'inserted' THEN 1 ELSE 0 END), 0) AS inserted, COALESCE(SUM(CASE WHEN _fate = 'updated' THEN 1 ELSE 0 END), 0) AS updated, COALESCE(SUM(CASE WHEN _fate = 'unchanged' THEN 1 ELSE 0 END), 0) AS unchanged, COALESCE(SUM(CASE WHEN _fate = 'superseded' THEN 1 ELSE 0 END), 0) AS superseded,
    COALESCE(SUM(CASE WHEN _is_written THEN 1 ELSE 0 END), 0) AS written,
    COALESCE(SUM(CASE WHEN _fate <> 'superseded' AND "_matched" THEN 1 ELSE 0 END), 0) AS matched
  FROM crosstally_fold
) a CROSS JOIN (
  SELECT COUNT(*) AS loaded,
    CAST(COALESCE(SUM(CAST(l."amount" AS DECIMAL(38,2))), 0) AS DECIMAL(38,2)) AS loaded_0,
    CAST(COALESCE(SUM(CAST(l."quantity" AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS loaded_1,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._is_written THEN l."amount" END AS DECIMAL(38,2))), 0) AS DECIMAL(38,2)) AS written_0,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._is_written THEN l."quantity" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS written_1,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'inserted' THEN l."amount" END AS DECIMAL(38,2))), 0) AS DECIMAL(38,2)) AS inserted_0,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'inserted' THEN l."quantity" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS inserted_1,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'updated' THEN l."amount" END AS DECIMAL(38,2))), 0) AS DECIMAL(38,2)) AS updated_0,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'updated' THEN l."quantity" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS updated_1,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'unchanged' THEN l."amount" END AS DECIMAL(38,2))), 0) AS DECIMAL(38,2)) AS unchanged_0,
    CAST(COALESCE(SUM(CAST(CASE WHEN l._fate = 'unchanged' THEN l."quantity" END AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS unchanged_1
  FROM (
    SELECT f._fate, f._is_written, t."amount", t."quantity"
    FROM crosstally_fold f JOIN "analytics"."customer_transactions" t ON t."transaction_id" = f."transaction_id" AND t."_source_uri" = f."_source_uri" AND t."_source_offset" = f."_source_offset"
    WHERE f._is_written AND t."_run_id" = 'run-1'
    UNION ALL
    SELECT f._fate, f._is_written, t."amount", t."quantity"
    FROM crosstally_fold f JOIN "analytics"."customer_transactions" t ON t."transaction_id" = f."transaction_id" AND t."_source_uri" = f."_source_uri" AND t."_source_offset" = f."_source_offset"
    WHERE f._fate <> 'superseded' AND NOT f._is_written
  ) l
) b CROSS JOIN (
  SELECT COUNT(*) AS replaced,
    CAST(COALESCE(SUM(CAST(s."amount" AS DECIMAL(38,2))), 0) AS DECIMAL(38,2)) AS superseded_0,
    CAST(COALESCE(SUM(CAST(s."quantity" AS DECIMAL(38,0))), 0) AS DECIMAL(38,0)) AS superseded_1
  FROM crosstally_fold f JOIN crosstally_staging s ON f."_source_uri" = s."_source_uri" AND f."_source_offset" = s."_source_offset"
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
  AND loaded_1 + superseded_1 = 9
  THEN '0' ELSE 'LedgerMismatch: 9 clean rows were written, and the warehouse has staged ' || CAST(staged AS VARCHAR)
  || ', loaded ' || CAST(loaded AS VARCHAR)
  || ', superseded ' || CAST(superseded AS VARCHAR)
  || '; 1 rows were quarantined, and it has ' || CAST(quarantined AS VARCHAR)
  || '; amount: 12.50 clean, ' || CAST(loaded_0 AS VARCHAR) || ' loaded and ' || CAST(superseded_0 AS VARCHAR) || ' superseded'
  || '; quantity: 9 clean, ' || CAST(loaded_1 AS VARCHAR) || ' loaded and ' || CAST(superseded_1 AS VARCHAR) || ' superseded' END AS INTEGER) FROM crosstally_tally;

-- insert_ledger
/* crosstally insert_ledger of run-1 */ INSERT INTO crosstally.ledger (run_id, commit_order, replay_of, contract_version, contract_sha256, source_uri, source_version, source_modified_at, customers_uri, customers_version, rows_read, rows_loaded, rows_inserted, rows_updated, rows_unchanged, rows_superseded, rows_quarantined, rows_written, rows_matched, rows_unmatched, quarantined_by_rule, customers_read, customers_kept, customers_superseded, customers_quarantined, sums, load_seconds, run_seconds, committed_at)
SELECT 'run-1', (SELECT COALESCE(MAX(commit_order), 0) + 1 FROM crosstally.ledger), NULL, '1.0.0', 'c0ffee', 'https://account/container/transactions.json', '0123456789abcdef', CAST('2026-01-01T00:00:00Z' AS TIMESTAMPTZ), 's3://bucket/landing/customers/customers.csv', '"e"', 10, loaded, inserted, updated, unchanged, superseded, 1, written, matched, loaded - matched, '{"amount.minimum":1}', 3, 2, 1, 0, '{"amount":{"clean":"12.50","loaded":"' || CAST(loaded_0 AS VARCHAR) || '","inserted":"' || CAST(inserted_0 AS VARCHAR) || '","updated":"' || CAST(updated_0 AS VARCHAR) || '","unchanged":"' || CAST(unchanged_0 AS VARCHAR) || '","superseded":"' || CAST(superseded_0 AS VARCHAR) || '","written":"' || CAST(written_0 AS VARCHAR) || '"},"quantity":{"clean":"9","loaded":"' || CAST(loaded_1 AS VARCHAR) || '","inserted":"' || CAST(inserted_1 AS VARCHAR) || '","updated":"' || CAST(updated_1 AS VARCHAR) || '","unchanged":"' || CAST(unchanged_1 AS VARCHAR) || '","superseded":"' || CAST(superseded_1 AS VARCHAR) || '","written":"' || CAST(written_1 AS VARCHAR) || '"}}', CAST(EXTRACT(EPOCH FROM (GETDATE() AT TIME ZONE 'UTC')) - EXTRACT(EPOCH FROM DATE_TRUNC('second', (SYSDATE AT TIME ZONE 'UTC'))) AS DECIMAL(12,3)), CAST(EXTRACT(EPOCH FROM (GETDATE() AT TIME ZONE 'UTC')) - EXTRACT(EPOCH FROM DATE_TRUNC('second', CAST('2026-01-01T02:00:00.123Z' AS TIMESTAMPTZ))) AS DECIMAL(12,3)), (GETDATE() AT TIME ZONE 'UTC') FROM crosstally_tally;

-- cleanup

