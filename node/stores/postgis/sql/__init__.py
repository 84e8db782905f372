"""Questions as PostgreSQL's SQL with parameters; nothing here touches the database."""
