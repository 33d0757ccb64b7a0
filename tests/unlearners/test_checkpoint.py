"""State files: whole or not at all."""

import numpy as np
import pytest

from unlearners.checkpoint import Checkpoint, new_directory, read_checkpoint, write_checkpoint


def test_a_checkpoint_survives_its_file(tmp_path):
    """Arrays keep their bits and kinds, the record its values."""
    path = tmp_path / "deep" / "state.npz"
    write_checkpoint(path, Checkpoint({"w": np.array([0.1, -0.0])}, {"epoch": 3, "rows": [1, 2]}))
    again = read_checkpoint(path)
    assert {"epoch": 3, "rows": [1, 2]} == again.record
    assert np.array([0.1, -0.0]).tobytes() == again.arrays["w"].tobytes()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    """What cannot be written does not destroy what was."""
    path = tmp_path / "state.npz"
    write_checkpoint(path, Checkpoint({}, {"epoch": 1}))
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_checkpoint(path, Checkpoint({}, {"epoch": float("nan")}))
    assert {"epoch": 1} == read_checkpoint(path).record
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"hello"])
def test_a_torn_file_is_refused(tmp_path, content):
    """Damage is a ValueError that names the file."""
    path = tmp_path / "state.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"state\.npz is not a checkpoint"):
        read_checkpoint(path)


def test_arrays_alone_are_no_checkpoint(tmp_path):
    """An .npz of somebody else's is refused."""
    np.savez(tmp_path / "state.npz", w=np.ones(2))
    with pytest.raises(ValueError, match="not a checkpoint"):
        read_checkpoint(tmp_path / "state.npz")


def test_a_missing_checkpoint_is_said_to_be_missing(tmp_path):
    """So that a caller can start anew."""
    with pytest.raises(FileNotFoundError):
        read_checkpoint(tmp_path / "none.npz")


def test_a_directory_appears_only_when_it_is_complete(tmp_path):
    """A crash in the middle leaves no trace under the name."""
    target = tmp_path / "out"

    def crash() -> None:
        with new_directory(target) as staging:
            (staging / "a").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        crash()
    assert [] == list(tmp_path.iterdir())
    with new_directory(target) as staging:
        (staging / "a").write_text("whole")
        assert not target.exists()
    assert "whole" == (target / "a").read_text()


def test_a_directory_that_exists_is_never_written_over(tmp_path):
    """What is being served stays."""
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match="exists already"), new_directory(tmp_path / "out"):
        pass
