"""Packages: versions in one signed file, for networks that no wire joins (docs/reference/replication-protocol.md)."""
