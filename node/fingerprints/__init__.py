"""Fingerprints of the rows of a table that was published, kept on the node's machine to find the next change by."""
