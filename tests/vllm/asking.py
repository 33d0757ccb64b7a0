"""Asking vLLM and a gateway alike, and looking at vLLM's own metrics."""

from __future__ import annotations

import asyncio
import re
import time

import httpx

from evaluation.oracle import ForbiddenStrings


async def ask(client, probe, **given):
    """Ask a probe greedily, which vLLM does not do by itself; the answer's text."""
    said = await client.chat.completions.create(model="m", messages=list(probe.messages), temperature=0, **given)
    return said.choices[0].message.content


def leaks(probe, text):
    """Say whether an answer holds what the probe must not bring back."""
    return ForbiddenStrings.of(probe.forbidden).leaks(text)


async def metric(vllm, name, label=""):
    """Read one of vLLM's own metrics, summed over its labels, or where they hold one."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{vllm.root}/metrics")).text
    labels = f"{{.*{re.escape(label)}.*}}" if label else "(?:{.*})?"
    return sum(float(found) for found in re.findall(rf"^{re.escape(name)}{labels} (\S+)$", text, re.M))


async def idle(vllm):
    """Wait until vLLM works on nothing, at most five seconds; how many requests are still running."""
    deadline = time.monotonic() + 5
    running = await metric(vllm, "vllm:num_requests_running")
    while running and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        running = await metric(vllm, "vllm:num_requests_running")
    return running
