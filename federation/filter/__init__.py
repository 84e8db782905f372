"""Filters: CQL2 to the expression tree, windows out of it, sentences about it."""
