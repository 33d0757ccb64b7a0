"""The pending request: there from before the work until after it, one at a time, and given up on purpose only."""

from dataclasses import replace

import pytest

from unlearners.language.pending import Pending, pending_request, working_directory
from unlearners.workplace import work_beside

REQUEST = Pending("npo", "m", "f", "r", {"rate": 0.1, "epochs": 2}, 0)


def test_a_request_is_pending_while_it_is_worked_on_and_no_longer(tmp_path):
    """Its file is beside the outcome; a good end removes it."""
    out = tmp_path / "new" / "model"
    assert pending_request(out) is None
    with working_directory(out, REQUEST) as directory:
        assert REQUEST == pending_request(out)
        assert tmp_path / "new" / ".model.work" == directory
    assert pending_request(out) is None
    assert not directory.exists()


def test_a_crash_leaves_it_pending_for_the_same_request_alone(tmp_path):
    """What was recorded is still there; another request is told what to do."""
    out = tmp_path / "model"
    working = working_directory(out, REQUEST)
    directory = working.__enter__()
    (directory / "state").write_text("x")
    assert not working.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)  # it goes on its way
    assert REQUEST == pending_request(out)
    other = replace(REQUEST, seed=1)
    with pytest.raises(ValueError, match=r"another request \(npo\) is pending .*same command"):
        working_directory(out, other).__enter__()
    with working_directory(out, REQUEST) as directory:
        assert "x" == (directory / "state").read_text()


def test_a_failure_that_would_come_again_gives_it_up(tmp_path):
    """A ``ValueError`` is the input's fault."""
    out = tmp_path / "model"
    with pytest.raises(ValueError, match="diverged"), working_directory(out, REQUEST):
        raise ValueError("diverged")
    assert pending_request(out) is None


def test_two_processes_do_not_work_on_one_request(tmp_path):
    """The second is refused, and does not disturb the first."""
    out = tmp_path / "model"
    with working_directory(out, REQUEST) as directory:
        with pytest.raises(ValueError, match="another process is at work"):
            working_directory(out, REQUEST).__enter__()
        assert directory.exists()


def test_a_damaged_request_is_told(tmp_path):
    """It is neither taken for none nor for another."""
    out = tmp_path / "model"
    work_beside(out).mkdir()
    (work_beside(out) / "request.json").write_text("{")
    with pytest.raises(ValueError, match=r"cannot be read: not JSON .*give the request up"):
        pending_request(out)


def test_every_part_of_a_request_counts_in_its_key():
    """Else a record of one could be taken up by another."""
    others = [replace(REQUEST, **{name: "other"}) for name in ("method", "model", "forget", "retain")]
    others += [replace(REQUEST, seed=1), replace(REQUEST, settings={"rate": 0.2, "epochs": 2}), REQUEST]
    assert 7 == len({one.key for one in others})
