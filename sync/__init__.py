"""Versions: manifest, digest, object store, publish."""
