"""Replicas: copies of other nodes' datasets, fetched, proven and kept up to date."""
