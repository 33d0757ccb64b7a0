"""The command `lethe`: each command parses, calls one function, prints."""

from __future__ import annotations

from gateway.cli.root import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line."""
    app()
