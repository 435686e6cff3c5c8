"""The ``cygnet`` command. Each command group has its file; heavy imports stay inside the commands."""

from cygnet.cli.app import app, main

__all__ = ["app", "main"]
