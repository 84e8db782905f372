"""The command line `guotu`; one command a module, nothing heavy imported before a command runs."""

from node.cli.program import main

__all__ = ["main"]
