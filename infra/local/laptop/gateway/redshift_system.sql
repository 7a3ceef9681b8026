-- What Redshift has and Postgres has not, for the sessions of the Data API. Run once per database.

CREATE SCHEMA IF NOT EXISTS redshift_system;
GRANT USAGE ON SCHEMA redshift_system TO PUBLIC;

-- The start of the transaction. The translation adds the parentheses, which Redshift's has not.
CREATE OR REPLACE FUNCTION redshift_system.sysdate() RETURNS timestamp LANGUAGE sql STABLE
AS $$ SELECT transaction_timestamp() AT TIME ZONE 'UTC' $$;

-- The start of the statement, in whole seconds.
CREATE OR REPLACE FUNCTION redshift_system.getdate() RETURNS timestamp LANGUAGE sql STABLE
AS $$ SELECT date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC') $$;

CREATE OR REPLACE FUNCTION redshift_system.json_parse(json text) RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT json::jsonb $$;

-- Without blanks, and never null: of a null it is 'null'.
CREATE OR REPLACE FUNCTION redshift_system.json_serialize(super jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
  RETURN CASE jsonb_typeof(super)
    WHEN 'object' THEN
      (SELECT '{' || coalesce(string_agg(to_jsonb(key)::text || ':' || redshift_system.json_serialize(value), ','), '') || '}' FROM jsonb_each(super))
    WHEN 'array' THEN
      (SELECT '[' || coalesce(string_agg(redshift_system.json_serialize(value), ',' ORDER BY place), '') || ']'
       FROM jsonb_array_elements(super) WITH ORDINALITY AS element (value, place))
    ELSE coalesce(super::text, 'null')
  END;
END
$$;

-- Redshift's view of what COPY refused. Source: "SYS_LOAD_ERROR_DETAIL", Amazon Redshift Database Developer Guide.
CREATE TABLE IF NOT EXISTS redshift_system.sys_load_error_detail (
  user_id INTEGER,
  query_id BIGINT,
  transaction_id BIGINT,
  session_id INTEGER,
  database_name CHAR(64),
  table_id INTEGER,
  start_time TIMESTAMP,
  file_name CHAR(256),
  line_number BIGINT,
  column_name CHAR(127),
  column_type CHAR(10),
  column_length CHAR(10),
  position INTEGER,
  error_code INTEGER,
  error_message CHAR(512)
);
GRANT SELECT, INSERT ON redshift_system.sys_load_error_detail TO PUBLIC;
