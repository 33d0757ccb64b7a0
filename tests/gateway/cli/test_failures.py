"""Errors and exit codes."""

from __future__ import annotations

import pytest
import typer

from gateway.cli.failures import exit_code, reporting_failures
from gateway.errors import Conflict, InvalidInput, LetheError, NotFound, StoreError, UpstreamUnreachable


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput("x"), 2),
        (Conflict("x"), 2),
        (NotFound("x"), 3),
        (StoreError("x"), 3),
        (UpstreamUnreachable("x"), 3),
    ],
)
def test_the_exit_code_tells_bad_input_from_what_is_not_there(error: LetheError, code: int) -> None:
    """Scripts can tell a mistake of theirs from a world that is not ready."""
    assert exit_code(error) == code


def test_an_error_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Line breaks within a message are folded."""
    with pytest.raises(typer.Exit) as ended, reporting_failures():
        raise InvalidInput("no such\n  thing")
    assert ended.value.exit_code == 2
    assert capsys.readouterr() == ("", "lethe: no such thing\n")


def test_a_bug_is_not_dressed_up_as_an_error_message() -> None:
    """Only errors that Lethe reports on purpose are caught."""
    with pytest.raises(ZeroDivisionError), reporting_failures():
        raise ZeroDivisionError
