"""The embedded store: DuckDB in one file, nothing to install."""
