"""The job in DuckDB.

The checked transactions are kept in a table, from which both files are written: measured (2026-11, 1,000,000 rows, 1 thread, CPU seconds) 3.3,
against 4.7 for two streaming statements that parse the file once each, and 4.1 for one that writes a partitioned COPY.
"""

import duckdb
import job

options = job.arguments()
database = duckdb.connect()
database.execute(f"SET threads = {options.threads}")
database.execute("SET TimeZone = 'UTC'")
PARQUET = f"(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {job.ZSTD_LEVEL})"


def as_text(columns: list[str]) -> str:
    return "{" + ", ".join(f"{column}: 'VARCHAR'" for column in columns) + "}"


def clean(column: str) -> str:
    return f"nullif(trim({column}), '')"


# By rowid, which counts in the order of the file as long as the order of insertion is kept.
database.execute(f"""
    CREATE TEMP TABLE all_customers AS
    WITH cleaned AS (
        SELECT {clean("customer_id")} AS customer_id, {clean("first_name")} AS first_name, {clean("last_name")} AS last_name,
            lower({clean("email")}) AS email, {clean("phone")} AS phone, upper({clean("country")}) AS country, {clean("city")} AS city,
            {clean("signup_date")} AS signup_text
        FROM read_csv('{options.customers}', auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', new_line = '\\r\\n',
            columns = {as_text(job.CUSTOMER_COLUMNS)})
    )
    SELECT *, try_cast(signup_text AS DATE) AS signup_date, CASE
        WHEN customer_id IS NULL THEN 'customer_id.required'
        WHEN signup_text IS NOT NULL AND signup_date IS NULL THEN 'signup_date.type'
        END AS rule
    FROM cleaned
""")
database.execute(f"COPY (SELECT * EXCLUDE signup_date FROM all_customers WHERE rule IS NOT NULL) TO '{options.out}/quarantine_customers.parquet' {PARQUET}")
database.execute("""
    CREATE TEMP TABLE customers AS
    SELECT * EXCLUDE (signup_text, rule) FROM all_customers
    WHERE rowid IN (SELECT max(rowid) FROM all_customers WHERE rule IS NULL GROUP BY customer_id)
""")

# From here on nobody asks for an order, and the threads need not wait for each other.
database.execute("SET preserve_insertion_order = false")
database.execute(f"""
    CREATE TEMP TABLE transactions AS
    WITH cleaned AS (
        SELECT {clean("transaction_id")} AS transaction_id, {clean("customer_id")} AS customer_id, {clean("amount")} AS amount_text,
            upper({clean("currency")}) AS currency, {clean("product")} AS product, {clean("quantity")} AS quantity_text,
            {clean("payment_method")} AS payment_method, {clean("status")} AS status, {clean("transaction_ts")} AS ts_text
        FROM read_json('{options.transactions}', format = '{"array" if options.form == "array" else "newline_delimited"}',
            columns = {as_text(job.TRANSACTION_COLUMNS)})
    ), typed AS (
        SELECT *,
            CASE WHEN regexp_full_match(amount_text, '{job.AMOUNT}') THEN try_cast(amount_text AS DECIMAL(18, 2)) END AS amount,
            CASE WHEN regexp_full_match(quantity_text, '{job.INTEGER}') THEN try_cast(quantity_text AS INTEGER) END AS quantity,
            try_cast(ts_text AS TIMESTAMPTZ) AS transaction_ts
        FROM cleaned
    )
    SELECT *, CASE
        WHEN transaction_id IS NULL THEN 'transaction_id.required'
        WHEN customer_id IS NULL THEN 'customer_id.required'
        WHEN amount IS NULL THEN if(amount_text IS NULL, 'amount.required', 'amount.type')
        WHEN amount < 0 THEN 'amount.minimum'
        WHEN currency IS NULL THEN 'currency.required'
        WHEN quantity IS NULL AND quantity_text IS NOT NULL THEN 'quantity.type'
        WHEN transaction_ts IS NULL THEN if(ts_text IS NULL, 'transaction_ts.required', 'transaction_ts.type')
        END AS rule
    FROM typed
""")
database.execute(f"""
    COPY (SELECT * EXCLUDE (amount, quantity, transaction_ts) FROM transactions WHERE rule IS NOT NULL)
    TO '{options.out}/quarantine.parquet' {PARQUET}
""")
database.execute(f"""
    COPY (
        SELECT t.transaction_id, t.customer_id, t.amount, t.currency, t.product, t.quantity, t.payment_method, t.status, t.transaction_ts,
            c.customer_id IS NOT NULL AS customer_matched, c.first_name, c.last_name, c.email, c.phone, c.country, c.city, c.signup_date
        FROM transactions t LEFT JOIN customers c ON t.customer_id = c.customer_id
        WHERE t.rule IS NULL
    ) TO '{options.out}/clean.parquet' {PARQUET}
""")

read, quarantined = database.execute("SELECT count(*), count(rule) FROM transactions").fetchone()
clean_rows, amount, quantity, matched = database.execute(
    f"SELECT count(*), sum(amount), sum(quantity), count(*) FILTER (customer_matched) FROM '{options.out}/clean.parquet'"
).fetchone()
job.report(read=read, clean=clean_rows, quarantined=quarantined, amount=amount, quantity=quantity, matched=matched)
