"""Errors and exit codes."""

from __future__ import annotations

import pytest
import typer

from gateway.cli.failures import (
    exit_code,
    needing_extra,
    refusing_bad_input,
    reporting_failures,
    telling_of_interruption,
)
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


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("there is no row 7"), "there is no row 7"),
        (FileNotFoundError(2, "No such file or directory", "x.csv"), "x.csv: No such file or directory"),
        (OSError("the disk is full"), "the disk is full"),
    ],
)
def test_what_the_unlearners_refuse_is_bad_input(error: Exception, words: str) -> None:
    """Their words are kept, and a file that cannot be used is named."""
    with pytest.raises(InvalidInput) as refused, refusing_bad_input():
        raise error
    assert str(refused.value) == words


def test_a_missing_extra_is_named_with_how_to_install_it() -> None:
    """What could not be imported is said too."""
    with pytest.raises(InvalidInput) as refused, needing_extra("plots", "the plot"):
        raise ImportError("No module named 'matplotlib'")
    assert str(refused.value) == (
        "the plot needs the extra `plots`, which is not installed (No module named 'matplotlib'): "
        "in the checkout: pip install -c constraints.txt '.[plots]'"
    )


def test_an_interruption_says_how_things_stand(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 130, as shells have it."""
    with pytest.raises(typer.Exit) as ended, telling_of_interruption("the request is pending"):
        raise KeyboardInterrupt
    assert ended.value.exit_code == 130
    assert capsys.readouterr() == ("", "lethe: the request is pending\n")
