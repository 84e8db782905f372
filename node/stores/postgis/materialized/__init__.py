"""Versions given to others in the same database, as ordinary tables."""
