"""Progress bars, drawn where nobody is at the terminal."""

from __future__ import annotations

import pytest

from gateway.cli.progress import phase_bars


def test_each_phase_has_a_bar_that_ends_where_the_work_did(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, so that the output can be piped."""
    with phase_bars() as tell:
        for step in (1, 2):
            tell("noise", step, 2)
        tell("repair", 3, 4)
    drawn = capsys.readouterr()
    assert ("", [True, True]) == (
        drawn.out,
        [words in drawn.err for words in ("noise  2 of 2", "repair  3 of 4")],
    )


def test_nothing_is_drawn_before_the_first_step(capsys: pytest.CaptureFixture[str]) -> None:
    """An error before it is then all that is printed."""
    with phase_bars():
        pass
    assert ("", "") == capsys.readouterr()
