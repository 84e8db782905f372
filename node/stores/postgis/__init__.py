"""The store in a PostgreSQL database with PostGIS that a province runs already."""
