"""Overlays that take more than one request."""
