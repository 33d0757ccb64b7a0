"""Runs a target of the Dockerfile without a container engine, and says what held. Knows no registry and no layers.

    unshare --mount python deploy/docker/rehearse.py --target gateway        # as root; `make test-image`

Real: the instructions in their order, in a file system of their own (overlays over this machine's, in a mount
namespace that ends with the process), the files that .dockerignore lets through, the user, the read-only root,
the health check, the entrypoint, SIGTERM. Not real: the base image: this machine's Debian and Python stand in.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stages import ROOT, Rehearsal, Stage, sh


def free_port() -> int:
    """Take a port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@dataclass(frozen=True)
class Running:
    """The built image as a container would run it: read-only but for /tmp and its volumes, as its own user."""

    rehearsal: Rehearsal
    stage: Stage
    mounted: Path
    env: Mapping[str, str]

    def words(self, words: list[str]) -> list[str]:
        """Say how a command is run inside."""
        return self.rehearsal.command(self.mounted, self.stage, words, self.stage.user)

    def inside(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside the gateway, as `docker exec` would."""
        return subprocess.run(self.words(list(words)), env=self.env, capture_output=True, text=True, timeout=120)

    def healthy(self, within_s: float) -> bool:
        """Ask the image's own health check until it passes."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            if self.inside(*self.stage.health).returncode == 0:
                return True
            time.sleep(0.5)
        return False


def seal(rehearsal: Rehearsal, stage: Stage) -> Running:
    """Mount the image read-only but for its volumes and /tmp, with the settings of `docker run -e`."""
    mounted = rehearsal.mount(stage)
    for volume in stage.volumes:
        kept = next(p for each in stage.layers if (p := each / volume.lstrip("/")).exists())
        copy = rehearsal.folder()
        sh("cp", "--archive", f"{kept}/.", copy)
        shutil.copystat(kept, copy)
        os.chown(copy, kept.stat().st_uid, kept.stat().st_gid)
        sh("mount", "--bind", copy, mounted / volume.lstrip("/"))
    sh("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", mounted / "tmp")
    sh("mount", "-o", "remount,ro,bind", mounted)
    given = {
        "LETHE_HOST": "127.0.0.1",
        "LETHE_PORT": str(free_port()),
        "LETHE_UPSTREAM_URL": "http://127.0.0.1:9/v1",
    }
    return Running(rehearsal, stage, mounted, {**stage.env, **given})


def findings(running: Running, torch: bool) -> dict[str, bool]:
    """Start the image, look at it from within and without, and end it."""
    stage = running.stage
    process = subprocess.Popen(running.words([*stage.entrypoint, *stage.cmd]), env=running.env)
    try:
        healthy = running.healthy(within_s=40)
        status = Path(f"/proc/{process.pid}/status").read_text()
        said = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        added = running.inside(
            "lethe", "topics", "add", "--name", "Maren Oskeld", "--fact", "She was born in Seltal."
        )
        found = {
            "its own health check passes": healthy,
            f"it runs as {stage.user}": said["Uid"].split()[0] == stage.user.split(":")[0] != "0",
            "it has no capability and cannot get one": int(said["CapEff"], 16) == 0 and said["NoNewPrivs"] == "1",
            "its root cannot be written": running.inside("touch", "/written").returncode != 0,
            "its own code cannot be written": running.inside("touch", "/opt/lethe/written").returncode != 0,
            "a topic is added on the read-only root": added.returncode == 0,
            "the database is its owner's alone": running.inside("stat", "-c%a", "/data/lethe.db").stdout
            == "600\n",
            f"torch is {'there' if torch else 'not there'}": torch
            == (running.inside("python", "-c", "import torch").returncode == 0),
        }
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=30)
    return {**found, "SIGTERM ends it, and is what it says that it ended by": code in (0, -signal.SIGTERM)}


def main() -> int:
    """Build, run, print; 1 where anything did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="gateway")
    target = parser.parse_args().target
    if os.getuid() != 0:
        raise SystemExit("a mount namespace needs root")
    sh("mount", "--make-rprivate", "/")
    scratch = Path(tempfile.mkdtemp())
    sh("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", scratch)
    try:
        rehearsal = Rehearsal(ROOT / "deploy" / "docker" / "Dockerfile", scratch)
        stage = rehearsal.build(target)
        held = findings(seal(rehearsal, stage), torch=target == "local")
        size = sum(p.lstat().st_size for each in stage.layers for p in each.rglob("*") if p.is_file())
    finally:  # never by deleting: this machine's own folders are mounted inside
        sh("umount", "--recursive", scratch)
        scratch.rmdir()
    for what, holds in held.items():
        print(f"{'ok  ' if holds else 'FAIL'} {what}")
    print(f"{target}: {size / 1e6:.0f} MB over the base image")
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
