"""The file of drawn answers on a disk that fills up, or cut short by a kill: every line that counts is whole."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from tests.faults.model import LAKE, saying
from tests.faults.test_database import fill, small_disk
from tests.wire.test_upstreams import certify

QUIET = {"verifiers": ("verbatim",), "screened_verifiers": (), "rounds": 1, "audit_probability": 1.0}


def lines_of(path):
    """Read the file as `lethe drift label` does."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounting a small disk needs root")
async def test_on_a_full_disk_answers_go_out_and_the_audits_that_were_counted_are_whole(face, tmp_path):
    """What cannot be written was not drawn; with room again the next line is a line of its own."""
    with small_disk(tmp_path / "disk", "256k") as disk:
        path = disk / "audits.jsonl"
        settings = {**QUIET, "audit_file": path, "database": str(tmp_path / "lethe.db")}
        async with face(saying(LAKE * 30), **settings) as faced:
            await certify(faced.gateway, "m")
            assert 200 == (await faced.ask()).status
            ballast = fill(disk)
            for _ in range(8):  # the file's last page holds a few more, and half a line
                assert 200 == (await faced.ask()).status
            assert "audit_not_kept" in [event for event, _ in faced.reported]
            kept = len(lines_of(path))
            ballast.unlink()
            assert 200 == (await faced.ask()).status
            assert [*range(1, kept + 2)] == [line["number"] for line in lines_of(path)]


async def test_half_a_line_that_a_kill_left_is_cut_off_at_the_next_start(face, tmp_path):
    """It was never counted; the lines before it stay, and the next one is whole."""
    path = tmp_path / "audits.jsonl"
    settings = {**QUIET, "audit_file": path}
    async with face(saying(LAKE), **settings) as faced:
        await certify(faced.gateway, "m")
        await faced.ask()
        upstream = faced.model.url
    path.write_bytes(path.read_bytes() + b'{"certificate": "c", "number": 2, "mess')
    async with face(saying(LAKE), topics=(), **settings) as faced:
        assert upstream != faced.model.url
        await certify(faced.gateway, "m")
        await faced.ask()
    assert 2 == len(lines_of(path))
