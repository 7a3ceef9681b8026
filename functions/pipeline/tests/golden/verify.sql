SELECT l.rows_read, l.rows_loaded, l.rows_inserted, l.rows_updated, l.rows_unchanged, l.rows_superseded, l.rows_quarantined,
  l.rows_written, l.rows_matched, l.rows_unmatched, l.contract_sha256, l.source_version, l.sums,
  CAST(l.load_seconds AS VARCHAR) AS load_seconds, CAST(l.run_seconds AS VARCHAR) AS run_seconds,
  (SELECT COUNT(*) FROM "analytics"."customer_transactions" t WHERE t._run_id = l.run_id) AS rows_in_table,
  (SELECT COUNT(*) FROM crosstally.quarantine q WHERE q.run_id = l.run_id) AS rows_in_quarantine,
  (SELECT COUNT(*) FROM crosstally.ledger n WHERE n.commit_order > l.commit_order) AS later_runs,
  (SELECT CAST(COALESCE(SUM(t."amount"), 0) AS VARCHAR) FROM "analytics"."customer_transactions" t WHERE t._run_id = l.run_id) AS written_0,
  (SELECT CAST(COALESCE(SUM(t."quantity"), 0) AS VARCHAR) FROM "analytics"."customer_transactions" t WHERE t._run_id = l.run_id) AS written_1
FROM crosstally.ledger l WHERE l.run_id = :run_id;
