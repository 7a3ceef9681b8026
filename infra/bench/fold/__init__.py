"""The load's transaction in PostgreSQL, beside the DELETE and INSERT that people write: statement by statement, and what comes out of each."""
