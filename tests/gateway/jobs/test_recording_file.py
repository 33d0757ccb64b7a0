"""The file that a job records into: what is in it, who can read it, and that nothing is left."""

from __future__ import annotations

import os
import sys

import pytest

from gateway.jobs.recording_file import Tail, recording_file


def test_the_file_holds_the_lines_and_is_gone_after_the_block():
    """Only its owner can read it meanwhile."""
    with recording_file(["one", "zwei ü"]) as path:
        assert "one\nzwei ü\n" == path.read_text(encoding="utf-8")
        assert 0 == path.stat().st_mode & 0o077 or "/memfd:" in os.readlink(path)
    assert not path.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="files in memory are Linux's")
def test_on_linux_nothing_reaches_a_disk_that_a_kill_could_leave_behind():
    """The file has no name in any directory."""
    with recording_file([]) as path:
        assert os.readlink(path).startswith("/memfd:")


def test_each_whole_line_that_was_added_is_given_once():
    """One that is half written waits for its end, and what was there before is not new."""
    with recording_file(["header"]) as path:
        tail = Tail(path)
        assert () == tail.new()
        with path.open("ab", buffering=0) as file:
            file.write("line separator \u2028 within\nhalf".encode())
            assert ("line separator \u2028 within",) == tail.new()
            file.write(b" done\n\n")
        assert ("half done", "") == tail.new()
        assert () == tail.new()
