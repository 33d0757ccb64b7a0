"""The ledger of measured miss rates, printed at the end of a verbose run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_LEDGER = pytest.StashKey[list[str]]()

Note = Callable[[str, int, int, float], None]


def pytest_configure(config: pytest.Config) -> None:
    """Open the ledger."""
    config.stash[_LEDGER] = []


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Note:
    """Write down a measured miss rate beside its level."""

    def write(what: str, misses: int, reps: int, level: float) -> None:
        share = misses / reps
        request.config.stash[_LEDGER].append(f"{what}: {misses} of {reps} = {share:.4f}, allowed {level:g}")

    return write


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the ledger when asked to be verbose."""
    lines = terminalreporter.config.stash[_LEDGER]
    if lines and terminalreporter.config.option.verbose > 0:
        terminalreporter.section("measured miss rates")
        for line in lines:
            terminalreporter.write_line(line)
