"""What a gateway costs beside a model that answers at once: requests a second, latency, CPU time, memory.

    python benchmarks/overhead.py                          # Lethe and bare pass-throughs
    python benchmarks/overhead.py --litellm VENV/bin/litellm --nemo VENV/bin/nemoguardrails \
        --portkey node_modules/@portkey-ai/gateway/build/start-server.js --nginx /usr/sbin/nginx
    python benchmarks/overhead.py --peer other=http://127.0.0.1:9999       # one that runs already

Lethe has 200 active topics and judges every answer; the others check nothing, NeMo one regular expression. The
gateways take turns in every round, and what is compared is the median of the rounds' ratios. Each gateway has one
core, the model and the load share another, which they do not fill. Peers are never dependencies of this project:
install them elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from proxying.processes import Process, free_port, preferred, started
from proxying.targets import Target, bare, lethe, litellm, nemo, nginx, portkey

_HERE = Path(__file__).parent / "proxying"
_GATEWAY, _LOAD, _SECOND = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Reading:
    """One gateway in one round at one concurrency. ``cpu_ms`` is its own CPU time for an answer."""

    name: str
    round: int
    connections: int
    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    resident_mib: float
    errors: int
    load_average: float


def read(target: Target, process: Process, *, round_: int, connections: int, seconds: float) -> Reading:
    """Ask for some seconds, after half a second to get warm."""
    before = process.cpu_s
    found = _asked([target], connections, "--seconds", str(seconds), "--warm-s", "0.5")
    used_s = process.cpu_s - before
    if found["errors"]:
        print(f"  {target.name}: {found['errors']} errors, such as {found['example']!r}", file=sys.stderr)
    return Reading(
        target.name,
        round_,
        connections,
        found["answers"] / found["seconds"],
        found["p50_ms"],
        found["p99_ms"],
        used_s / max(1, found["all"]) * 1e3,
        process.resident_mib,
        found["errors"],
        os.getloadavg()[0],
    )


def _asked(targets: list[Target], connections: int, *how_long: str) -> dict[str, Any]:
    words = [word for target in targets for word in ("--url", target.url)]
    words += [word for header in targets[0].headers for word in ("--header", header)]
    command = [sys.executable, str(_HERE / "load.py"), *words, "--connections", str(connections), *how_long]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    os.sched_setaffinity(process.pid, {_LOAD})
    preferred(process.pid)
    written, _ = process.communicate()
    found: dict[str, Any] = json.loads(written)
    return found


def memory(target: Target, process: Process, requests: int) -> list[tuple[int, float]]:
    """Ask so often in ten parts; gives how much memory is held after each."""
    held = [(0, process.resident_mib)]
    for part in range(1, 11):
        _asked([target], 16, "--requests", str(requests // 10))
        held.append((requests * part // 10, process.resident_mib))
    return held


def two_processes(one: tuple[Target, Process], folder: Path, upstream: str, options: argparse.Namespace) -> str:
    """Start a second Lethe at the same database; says how much more both answer than one.

    It has a core of its own where there are three. On two it shares that of the model and the load, which take
    some of it, so what is found is a lower bound.
    """
    alone = (os.cpu_count() or 1) > _SECOND
    second = lethe(folder, free_port(), upstream)
    log, ready = folder / "second.log", f"{second.base}/v1/models"
    core = _SECOND if alone else _LOAD
    ratios: list[float] = []
    cpu_ms: tuple[list[float], list[float]] = ([], [])
    with started(second.command, core=core, log=log, environment=second.environment, ready=ready) as other:
        for _ in range(options.rounds):
            per_s: list[float] = []
            for which, found in zip(([one], [one, (second, other)]), cpu_ms, strict=True):
                before = sum(process.cpu_s for _, process in which)
                answered = _asked([target for target, _ in which], 64, "--seconds", str(options.seconds))
                used_s = sum(process.cpu_s for _, process in which) - before
                found.append(used_s / max(1, answered["all"]) * 1e3)
                per_s.append(answered["answers"] / answered["seconds"])
            ratios.append(per_s[1] / per_s[0])
    one_ms, both_ms = (statistics.median(found) for found in cpu_ms)
    least = "" if alone else "at least (the second shares its core with the model and the load) "
    return (
        f"two processes answer {least}{statistics.median(ratios):.2f} times as much as one ({min(ratios):.2f} to "
        f"{max(ratios):.2f}), with {both_ms:.2f} ms of CPU for an answer; one with {one_ms:.2f}"
    )


def targets(options: argparse.Namespace, folder: Path, upstream: str) -> list[Target]:
    """Name what was asked for: Lethe, the model by itself, the bare ones, and the peers that are given."""
    found = [lethe(folder, free_port(), upstream), Target("no gateway", upstream)]
    found += [bare(kind, free_port(), upstream) for kind in ("starlette+aiohttp", "fastapi+httpx")]
    if options.litellm:
        found.append(litellm(options.litellm, folder, free_port(), upstream))
    if options.portkey:
        found.append(portkey(options.portkey, free_port(), upstream))
    if options.nemo:
        found.append(nemo(options.nemo, folder, free_port(), upstream))
    if options.nginx:
        found.append(nginx(options.nginx, folder, free_port(), upstream))
    given = (peer.partition("=") for peer in options.peer)
    return [*found, *(Target(name, base.rstrip("/")) for name, _, base in given)]


def run(options: argparse.Namespace, folder: Path) -> tuple[list[Reading], list[tuple[int, float]]]:
    """Start everything, measure in turn; gives all readings, and how memory went."""
    port = free_port()
    upstream = f"http://127.0.0.1:{port}"
    model = [sys.executable, str(_HERE / "model.py"), "--port", str(port), "--chars", str(options.chars)]
    readings: list[Reading] = []
    with ExitStack() as stack:
        ready = f"{upstream}/v1/models"
        stack.enter_context(started(model, core=_LOAD, log=folder / "model.log", ready=ready))
        running = _all_started(stack, targets(options, folder, upstream), folder)
        for round_ in range(options.rounds):
            for connections in options.connections:
                for target, process in running:
                    asked = {"connections": connections, "seconds": options.seconds}
                    readings.append(read(target, process, round_=round_, **asked))
                    print(_line(readings[-1]), file=sys.stderr, flush=True)
        if options.two:
            print(two_processes(running[0], folder, upstream, options))
        held = memory(*running[0], options.memory_requests) if options.memory_requests else []
    return readings, held


def _all_started(stack: ExitStack, wanted: list[Target], folder: Path) -> list[tuple[Target, Process]]:
    """Start all; one that does not start is left out, and said."""
    running: list[tuple[Target, Process]] = []
    for number, target in enumerate(wanted):
        if not target.command:
            running.append((target, Process(0)))
            continue
        log = folder / f"target-{number}.log"
        ready = f"{target.base}/v1/models"
        begun = started(target.command, core=_GATEWAY, log=log, environment=target.environment, ready=ready)
        try:
            process = stack.enter_context(begun)
        except RuntimeError as error:
            if not number:
                raise
            print(f"{target.name} is left out: {error}", file=sys.stderr)
            continue
        running.append((target, process))
    return running


def _line(one: Reading) -> str:
    return (
        f"  round {one.round} c={one.connections} {one.name}: {one.per_s:.0f}/s p50 {one.p50_ms:.2f} "
        f"p99 {one.p99_ms:.2f} ms, CPU {one.cpu_ms:.2f} ms"
    )


def table(readings: list[Reading]) -> str:
    """Write the medians of the rounds as Markdown, and of the ratios of Lethe to each in the same round."""
    lines = [
        "| gateway | connections | requests/s | p50 ms | p99 ms | CPU ms | MiB | Lethe is … times as fast |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for connections in sorted({one.connections for one in readings}):
        rows = [one for one in readings if one.connections == connections]
        own = {one.round: one for one in rows if one.name == "Lethe"}
        for name in dict.fromkeys(one.name for one in rows):
            mine = [one for one in rows if one.name == name and one.per_s]
            if not mine:
                continue
            per_s, p50, p99, cpu, mib = (
                statistics.median(getattr(one, what) for one in mine)
                for what in ("per_s", "p50_ms", "p99_ms", "cpu_ms", "resident_mib")
            )
            ratio = statistics.median(own[one.round].per_s / one.per_s for one in mine)
            lines.append(
                f"| {name} | {connections} | {per_s:.0f} | {p50:.2f} | {p99:.1f} | {cpu:.2f} | {mib:.0f} "
                f"| {ratio:.2f} |"
            )
    return "\n".join(lines)


def main() -> int:
    """Print the table, and how memory went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each reading")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--chars", type=int, default=400, help="length of the model's answers")
    parser.add_argument("--no-two", dest="two", action="store_false", help="leave out the second process")
    parser.add_argument("--memory-requests", type=int, default=100_000, help="0: leave that out")
    for peer in ("litellm", "nemo", "portkey", "nginx"):
        parser.add_argument(f"--{peer}", type=Path, metavar="PROGRAM")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=URL",
        help="a gateway that runs already, before a model of its own; its CPU time and memory are not read",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all readings there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        readings, held = run(options, Path(folder))
    print(table(readings))
    for requests, mib in held:
        print(f"memory after {requests:,} further requests: {mib:.1f} MiB")
    print("load average:", " ".join(f"{value:.1f}" for value in os.getloadavg()))
    if options.json:
        found = {"readings": [asdict(one) for one in readings], "memory": held}
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
