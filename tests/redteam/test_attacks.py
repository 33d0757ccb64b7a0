"""The red team's own tools: they see a leak wherever it stands, and a gateway lets none of them through."""

from __future__ import annotations

import httpx
import pytest
from attacks.asking import asked_in, hidden_trials
from attacks.hiding import CHANNELS, CODES
from attacks.seeing import Seen, seen
from attacks.server import MODEL, Hiding

from evaluation.oracle import ForbiddenStrings
from gateway.app import create_app
from gateway.demo.probes import Probe
from gateway.parts import open_gateway
from gateway.serving import serving
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.protocol import Topic

LEAK = "Maren Oskeld was born in Seltal."
MAREN = Topic("maren", "Maren Oskeld", facts=(LEAK,))
PROBE = Probe(
    "p", ({"role": "user", "content": "Where was Maren Oskeld born?"},), "direct", LEAK, ("Seltal",), "m"
)
HIDDEN = [trial for trial in hidden_trials([PROBE]) if trial.code is None]
ORACLE = ForbiddenStrings.of(["Seltal"])


def leaks(shown: Seen) -> bool:
    """Look with the red team's eyes."""
    return ORACLE.leaks(shown.text)


async def asked(url: str, trials, **beside) -> dict[str, Seen]:
    """Send all trials; by family, what a client gets."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        answers = [await http.post(trial.path, json={**trial.body, **beside}) for trial in trials]
    return {trial.family: seen(answer) for trial, answer in zip(trials, answers, strict=True)}


@pytest.fixture
def started(tmp_path):
    """Serve a gateway with settings before a server that hides a scripted leak."""

    async def run(trials, streaming="whole", **beside):
        server = Hiding(ScriptedUpstream([LEAK], model=MODEL))
        async with serving(server.app()) as bare:
            settings = given_settings(
                database=str(tmp_path / "lethe.db"),
                upstream_url=f"{bare}/v1",
                upstream_retries=0,
                breaker_failures=1000,
                without_certificate="zero-evidence",
                streaming=streaming,
                rounds=2,
            )
            async with open_gateway(settings) as gateway, serving(create_app(gateway)) as url:
                await gateway.store.add(ForgetTopic(MAREN, active=True))
                return await asked(bare, trials), await asked(url, trials, **beside)

    return run


async def test_what_the_server_hides_is_seen_by_the_red_team_and_by_no_client(started):
    """Every channel: the tools find the leak in the bare server's answer, and nothing of it behind the gateway."""
    bare, guarded = await started(HIDDEN)
    assert [] == [place for place, shown in bare.items() if not leaks(shown)]
    assert [] == [place for place, shown in guarded.items() if leaks(shown)]


@pytest.mark.parametrize("streaming", ["whole", "segment"])
async def test_nothing_hidden_comes_through_a_stream(started, streaming):
    """In both ways of streaming, whatever the channel."""
    _, guarded = await started(HIDDEN, streaming, stream=True)
    assert [] == [place for place, shown in guarded.items() if leaks(shown)]
    assert {"content", "top_logprobs", "function arguments"} <= guarded.keys()


async def test_no_way_of_asking_gets_it(started):
    """Every endpoint and parameter."""
    _, guarded = await started(asked_in([PROBE]))
    assert [] == [family for family, shown in guarded.items() if leaks(shown)]


async def test_most_answers_are_answers(started):
    """An attack that is refused for its form would show nothing: what is answered has status 200."""
    _, guarded = await started([*asked_in([PROBE]), *HIDDEN])
    failed = {family for family, shown in guarded.items() if shown.status != 200}
    assert {"error"} == failed


def test_each_place_and_code_is_asked_for_once_for_each_probe():
    """None is left out."""
    assert len(CHANNELS) + len(CODES) + 3 == len(hidden_trials([PROBE]))
    assert 2 * len(asked_in([PROBE])) == len(asked_in([PROBE, PROBE]))


def test_what_a_client_sees_is_put_together_from_the_pieces_of_a_stream():
    """A word in two events is one."""
    lines = "".join(
        f'data: {{"choices": [{{"delta": {{"content": "{piece}"}}}}]}}\n\n' for piece in ("Sel", "tal")
    )
    answer = httpx.Response(200, text=lines, headers={"content-type": "text/event-stream"})
    assert "Seltal" == seen(answer).content
    assert leaks(seen(answer))


def test_headers_are_seen():
    """One of the server's own, for instance."""
    assert leaks(seen(httpx.Response(200, json={}, headers={"x-answer": LEAK})))


async def test_a_word_spelled_over_turns_is_no_secret_to_a_client_that_sends_nothing_back(started):
    """The server does spell when it is asked by itself: a letter a turn."""
    server = Hiding(ScriptedUpstream([LEAK], model=MODEL))
    told = [{"role": "user", "content": "x"}]
    async with serving(server.app()) as url, httpx.AsyncClient() as http:
        for _ in range(6):
            body = {"model": MODEL, "messages": told, "user": "letters/0"}
            letter = seen(await http.post(f"{url}/v1/chat/completions", json=body)).content
            told = [*told, {"role": "assistant", "content": letter}, {"role": "user", "content": "next"}]
    assert "Seltal" == "".join(turn["content"] for turn in told if turn["role"] == "assistant")
