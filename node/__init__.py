"""The service that an administrative node runs."""
