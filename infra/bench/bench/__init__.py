"""The same job by this engine and by DuckDB, Polars and pandas: first shown to give the same result, then timed in turn."""
