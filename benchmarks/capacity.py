"""What a deployment needs: measures the gateway's cost, checks the model against a run, sizes a day.

    python benchmarks/capacity.py                                   # measure, check, and size 10^9 requests a day
    python benchmarks/capacity.py --requests-per-day 1e6 --touching 0.05 --tokens-per-accelerator 3000

The accelerator's tokens a second are an assumption that you give; nothing here has one. The rest is measured
against a scripted model, on whatever machine this runs, or follows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
from sizing.demand import Demand, GatewayCost, ModelServer, need
from sizing.measuring import running, under_load
from sizing.queueing import Arrivals, Waits, simulate, waits

TOPICS, ROUNDS, SLOTS, SERVICE_S, TOUCHING = 200, 5, 16, 0.5, 0.1


async def measure_cost(folder: Path, requests: int) -> tuple[GatewayCost, dict[str, float]]:
    """Measure CPU a request by kind, then predict a mix and measure that."""
    async with running(folder, topics=TOPICS, rounds=1) as one_round:
        plain = await under_load(one_round, requests=requests, touching=0, per_s=None, seed=0)
        touching = await under_load(one_round, requests=requests, touching=1, per_s=None, seed=0)
    async with running(folder, topics=TOPICS, rounds=ROUNDS) as five:
        long = await under_load(five, requests=requests, touching=1, per_s=None, seed=0)
        mix = await under_load(five, requests=2 * requests, touching=TOUCHING, per_s=None, seed=1)
    rounds = long.generations_per_request - touching.generations_per_request
    further = (long.cpu_per_request_s - touching.cpu_per_request_s) / rounds
    cost = GatewayCost(plain.cpu_per_request_s, touching.cpu_per_request_s, further)
    predicted = cost.per_request_s(Demand(1, TOUCHING, ROUNDS, 0, 0))
    found = {"predicted_s": predicted, "measured_s": mix.cpu_per_request_s}
    return cost, {**found, "generations": mix.generations_per_request}


async def check_queue(folder: Path, requests: int, load: float) -> tuple[Waits, Waits]:
    """Ask a gateway before a slow model, at ``load`` of what that can do; simulate the queue with what came."""
    generations = 1 + TOUCHING * (ROUNDS - 1)
    per_s = load * SLOTS / SERVICE_S / generations
    async with running(folder, topics=TOPICS, rounds=ROUNDS, slots=SLOTS, service_s=SERVICE_S) as gateway:
        measured = await under_load(gateway, requests=requests, touching=TOUCHING, per_s=per_s, seed=2)
    came = Arrivals(per_s, (measured.generations_per_request - 1) / (ROUNDS - 1), ROUNDS)
    rng, took_s = np.random.default_rng(0), measured.generation_s
    simulated = simulate(came, slots=SLOTS, service_s=took_s, constant=True, requests=100_000, rng=rng)
    return simulated, waits(measured.seconds[requests // 10 :])


def milliseconds(each: Waits) -> str:
    """Write a summary in a line."""
    return "  ".join(f"{name.removesuffix('_s')} {value * 1e3:.0f}" for name, value in asdict(each).items())


def table(cost: GatewayCost, options: argparse.Namespace) -> str:
    """Size the day for several shares of requests that touch a topic, as Markdown."""
    lines = [
        "| requests that touch a topic | generations a day | more than bare | answer tokens/s at peak "
        "| accelerators | gateway processes | connections | revision queries/s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for touching in sorted({0.0, 0.001, 0.1, 1.0, options.touching}):
        demand = Demand(
            options.requests_per_day,
            touching,
            options.rounds,
            options.prompt_tokens,
            options.answer_tokens,
            options.peak,
        )
        one = need(demand, cost, ModelServer(options.tokens_per_accelerator))
        lines.append(
            f"| {touching:.1%} | {one.generations_per_day:.3g} | {demand.generations - 1:+.1%} "
            f"| {one.answer_tokens_per_s:.3g} | {one.accelerators:,} | {one.gateway_processes:,} "
            f"| {one.database_connections:,} | {one.database_reads_per_s:,.0f} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Print what was measured, how well the model predicts it, and what the day needs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests-per-day", type=float, default=1e9)
    parser.add_argument("--touching", type=float, default=0.01, help="share of requests that touch a topic")
    parser.add_argument("--rounds", type=float, default=2.23, help="mean generations of such a request")
    parser.add_argument("--prompt-tokens", type=float, default=500)
    parser.add_argument("--answer-tokens", type=float, default=250)
    parser.add_argument("--peak", type=float, default=2.0, help="busiest hour, as a multiple of the mean")
    parser.add_argument("--tokens-per-accelerator", type=float, default=10_000, help="answer tokens/s; assumed")
    parser.add_argument("--measured-requests", type=int, default=300)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures there too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cost, mix = asyncio.run(measure_cost(Path(folder), options.measured_requests))
        queues = {
            load: asyncio.run(check_queue(Path(folder), options.measured_requests, load)) for load in (0.5, 0.8)
        }
    print(f"CPU of the gateway, {TOPICS} topics, answers of 1 kB, one process:")
    print(f"  untouched request {cost.plain_s * 1e3:.2f} ms, touching {cost.touching_s * 1e3:.2f} ms,", end=" ")
    print(f"each further round {cost.round_s * 1e3:.2f} ms")
    print(f"  a mix with {TOUCHING:.0%} touching, {ROUNDS} rounds each: predicted", end=" ")
    print(f"{mix['predicted_s'] * 1e3:.2f} ms, measured {mix['measured_s'] * 1e3:.2f} ms")
    for load, (simulated, measured) in queues.items():
        print(
            f"Model of {SLOTS} slots and {SERVICE_S * 1e3:.0f} ms at {load:.0%} load, ms from request to answer:"
        )
        print(f"  simulated  {milliseconds(simulated)}\n  measured   {milliseconds(measured)}")
    print(table(cost, options))
    if options.json:
        checks = {str(load): [asdict(each) for each in pair] for load, pair in queues.items()}
        options.json.write_text(json.dumps({"cost": asdict(cost), "mix": mix, "queue": checks}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
