"""Rows between Arrow and PostgreSQL's binary COPY, a column at a time; nothing here touches the engine."""
