"""One of six members is silent, gone or slow: what the others' clients notice, in guotu and in postgres_fdw."""

from benchmarks.failover.running import add_arguments, run

__all__ = ["add_arguments", "run"]
