"""A Dockerfile's stages, built in overlays instead of by a container engine. Knows no registry and no cache."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template

from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]
PYTHON = "/opt/python"  # where this machine's Python is laid, for it may stand where only root may read
STAND_IN = {"PATH": f"{PYTHON}/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LD_LIBRARY_PATH": f"{PYTHON}/lib"}


@dataclass(frozen=True)
class Stage:
    """A stage so far: its layers, the newest first, and what it says of how it runs."""

    layers: tuple[Path, ...] = ()
    env: Mapping[str, str] = field(default_factory=lambda: dict(STAND_IN))
    args: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    volumes: tuple[str, ...] = ()
    health: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()


def _declared(stage: Stage, verb: str, text: str) -> Stage:
    """Take what an instruction says of how the stage runs. One that is not known here ends the rehearsal."""
    match verb:
        case "ARG":
            return replace(
                stage, args={**stage.args, **dict(part.split("=", 1) for part in [text] if "=" in part)}
            )
        case "ENV":
            new = dict(word.split("=", 1) for word in shlex.split(Template(text).safe_substitute(stage.env)))
            return replace(stage, env={**stage.env, **new})
        case "USER":
            return replace(stage, user=text)
        case "VOLUME":
            return replace(stage, volumes=(*stage.volumes, text))
        case "HEALTHCHECK":
            return replace(stage, health=tuple(json.loads(text.split("CMD", 1)[1])))
        case "ENTRYPOINT" | "CMD":
            return replace(stage, **{verb.lower(): tuple(json.loads(text))})
        case "EXPOSE":
            return stage
    raise SystemExit(f"{verb} is not rehearsed here")


def sh(*words: str | Path) -> None:
    """Run a command of the rehearsal itself, loudly."""
    subprocess.run([str(word) for word in words], check=True)


class Rehearsal:
    """Builds stages in a scratch directory: a file system in memory, of this process's own."""

    def __init__(self, dockerfile: Path, scratch: Path) -> None:
        self._scratch, self._made = scratch, 0
        self._lines = DockerfileParser(path=str(dockerfile)).structure
        self.stages: dict[str, Stage] = {}

    def build(self, target: str) -> Stage:
        """Build the stages that the target stands on, in the file's order."""
        needed, name = self._needed(target), ""
        for line in self._lines:
            verb = line["instruction"]
            if verb == "FROM":
                parent, _, name = line["value"].split()
                known = self.stages.get(parent, Stage())
                self.stages[name] = replace(known, layers=(self.folder(), *known.layers))
            elif verb != "COMMENT" and name in needed:
                self.stages[name] = self._step(self.stages[name], verb, line["value"])
        return self.stages[target]

    def _needed(self, target: str) -> set[str]:
        """Name the target, what it is from, and what it copies from."""
        parents: dict[str, set[str]] = {}
        for line in self._lines:
            if line["instruction"] == "FROM":
                parent, _, name = line["value"].split()
                parents[name] = {parent}
            if line["instruction"] == "COPY" and line["value"].startswith("--from="):
                parents[name].add(line["value"].split()[0].removeprefix("--from="))
        found, left = set(), {target}
        while left:
            found |= left
            left = {parent for each in left for parent in parents.get(each, ())} - found
        return found

    def _step(self, stage: Stage, verb: str, text: str) -> Stage:
        match verb:
            case "WORKDIR":
                (stage.layers[0] / text.lstrip("/")).mkdir(parents=True, exist_ok=True)
                return replace(stage, workdir=text)
            case "COPY":
                self._copy(stage, shlex.split(text))
                return stage
            case "RUN":
                print(f"RUN {text}", flush=True)
                self.run(stage, ["sh", "-c", text], user="0:0").check_returncode()
                return stage
            case _:
                return _declared(stage, verb, text)

    def _copy(self, stage: Stage, words: list[str]) -> None:
        origin = words.pop(0).removeprefix("--from=") if words[0].startswith("--") else None
        *sources, place = words
        if origin is None:
            self._lay(stage, [self._sent(source) for source in sources], place)
            return
        mounted = self.mount(self.stages[origin])  # all its layers as one, without what a newer one deleted
        try:
            self._lay(stage, [mounted / source.lstrip("/") for source in sources], place)
        finally:
            sh("umount", "--recursive", mounted)

    @staticmethod
    def _lay(stage: Stage, sources: list[Path], place: str) -> None:
        target = stage.layers[0] / os.path.join(stage.workdir, place).lstrip("/")
        for found in sources:
            into = target / found.name if place in (".", "./") else target
            into.parent.mkdir(parents=True, exist_ok=True)
            if found.is_dir():
                shutil.copytree(found, into, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(found, into)

    @staticmethod
    def _sent(source: str) -> Path:
        if f"!{source}" not in (ROOT / ".dockerignore").read_text().splitlines():
            raise SystemExit(f".dockerignore keeps {source} from the builder")
        return ROOT / source

    def run(self, stage: Stage, words: list[str], *, user: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command in the stage's file system and keep what it wrote as the stage's newest layer."""
        mounted = self.mount(stage)
        try:
            return subprocess.run(self.command(mounted, stage, words, user), env=self._environment(stage))
        finally:
            sh("umount", "--recursive", mounted)

    def mount(self, stage: Stage) -> Path:
        """Lay the stage's layers over this machine's root, the newest to be written."""
        place, (upper, *lower) = self.folder(), stage.layers
        under = ":".join(str(each) for each in (*lower, "/"))
        sh("mount", "-t", "overlay", "overlay", "-o",
           f"lowerdir={under},upperdir={upper},workdir={self.folder()}", place)  # fmt: skip
        for shared, inside in (("/dev", "dev"), ("/proc", "proc"), (sys.base_prefix, PYTHON.lstrip("/"))):
            (place / inside).mkdir(parents=True, exist_ok=True)
            sh("mount", "--rbind", shared, place / inside)
        sh("mount", "-o", "remount,ro,bind", place / PYTHON.lstrip("/"))
        return place

    @staticmethod
    def command(mounted: Path, stage: Stage, words: list[str], user: str) -> list[str]:
        """Become the user, without any capability and without a way to more, inside."""
        uid, gid = user.split(":")
        less = ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"] if uid != "0" else []
        become = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *less]
        return ["chroot", str(mounted), *become, "env", "--chdir", stage.workdir, *words]

    @staticmethod
    def _environment(stage: Stage) -> dict[str, str]:
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        return {**pip, **stage.args, **stage.env}

    def folder(self) -> Path:
        """Make an empty folder that everybody may enter."""
        self._made += 1
        made = self._scratch / str(self._made)
        made.mkdir()
        made.chmod(0o755)
        return made
