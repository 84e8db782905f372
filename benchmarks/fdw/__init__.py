"""guotu against PostgreSQL's own federation: postgres_fdw over three members' PostGIS, tuned."""

from benchmarks.fdw.running import add_arguments, run

__all__ = ["add_arguments", "run"]
