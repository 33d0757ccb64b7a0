"""Modes of topics and verifiers on a started gateway: monitoring withholds nothing, counts, and tells no topic."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from calibration.issue import issue_certificate
from calibration.trajectories import Candidate, Recording, Trajectory
from gateway.certificates import activate_certificate
from gateway.guard.policy import Bounded, Closed
from gateway.store.records import ForgetTopic
from verifiers.protocol import Topic

LEAK = "Maren Oskeld was born in Seltal."
QUESTION = [{"role": "user", "content": "Where was Maren Oskeld born?"}]
FACTS = ("Maren Oskeld was born in Seltal.",)
WATCHED = ForgetTopic(Topic("maren", "Maren Oskeld", facts=FACTS), active=False, monitored=True)
OTHER = ForgetTopic(Topic("joris", "Joris Tal", facts=("Joris Tal was born in Brenn.",)))
KEY = {"x-admin-key": "boss"}
NUMBERS = {"authorization": "Bearer numbers"}


async def asked(started) -> str:
    """Ask about Maren, and wait until what is monitored was looked at."""
    done = await started.openai.chat.completions.create(model="m", messages=QUESTION)
    await started.gateway.monitoring.settled()
    return done.choices[0].message.content


async def scraped(started) -> str:
    """GET /metrics."""
    async with httpx.AsyncClient() as client:
        return (await client.get(f"{started.url}/metrics", headers=NUMBERS)).text


async def put(started, path, mode):
    """PUT a mode with the admin key."""
    async with httpx.AsyncClient() as client:
        return await client.put(f"{started.url}/admin/{path}/mode", json={"mode": mode}, headers=KEY)


async def certify(started) -> str:
    """Put a certificate for what is enforced in force; returns its id."""
    async with started.gateway.policies.for_calibration("m") as subject:
        bindings = replace(subject.bindings, prompts="p")
    prompts = tuple(Trajectory(f"p{n}", (Candidate(0, 0.5, leak=True),), topic="joris") for n in range(60))
    recording = Recording(bindings, prompts)
    made = issue_certificate(recording, level=0.1, confidence=0.95, created="2026-01-31T12:00:00Z")
    await activate_certificate(started.gateway.store, made)
    return made.id


@pytest.mark.parametrize("beside", [(), (OTHER,)], ids=["alone", "beside an enforced one"])
async def test_a_monitored_topic_withholds_nothing_and_is_counted_by_its_random_id(start, beside):
    """The leak goes out as from the bare model; the metrics say that it would not have."""
    async with start([LEAK], topics=(WATCHED, *beside), metrics_key="numbers") as started:
        assert LEAK == await asked(started)
        shown, stored = await scraped(started), await started.gateway.store.topic("maren")
    assert f'lethe_monitored_total{{id="{stored.metrics_id}",kind="topic",would="withhold"}} 1.0' in shown
    assert [] == [word for word in ("maren", "Maren", "Seltal") if word in shown]
    assert 12 == len(stored.metrics_id)


async def test_an_innocent_answer_would_have_been_released(start):
    """Monitoring counts both ways."""
    async with start(["Nobody told me."], topics=(WATCHED,), metrics_key="numbers") as started:
        await asked(started)
        assert 'kind="topic",would="release"} 1.0' in await scraped(started)


async def test_the_model_is_asked_once_and_as_the_client_asked(start):
    """A monitored topic neither refines nor pins the decoding."""
    async with start([LEAK], topics=(WATCHED, OTHER)) as started:
        await started.openai.chat.completions.create(model="m", messages=QUESTION, temperature=0.9)
        await started.gateway.monitoring.settled()
        (request,) = started.upstream.requests
    assert 0.9 == request.parameters["temperature"]


async def test_a_topic_goes_through_its_modes_over_http(start):
    """Each counts from the next request on, and says the revision that it made."""
    async with start(
        lambda request: LEAK, topics=(replace(WATCHED, monitored=False),), admin_key="boss"
    ) as started:
        seen = {}
        for mode in ("monitor", "enforce", "off"):
            answer = await put(started, "topics/maren", mode)
            assert (200, mode) == (answer.status_code, answer.json()["topic"]["mode"])
            seen[mode] = await asked(started)
        assert 422 == (await put(started, "topics/maren", "loud")).status_code
    assert {"monitor": LEAK, "off": LEAK} == {mode: said for mode, said in seen.items() if said == LEAK}


async def test_a_topic_in_monitor_is_outside_the_certificate_and_the_others_inside(start):
    """As one that is off: the certificate covers subsets, and the monitored leak goes out."""
    topics = (replace(WATCHED, active=True, monitored=False), OTHER)
    async with start([LEAK], topics=topics) as started:
        certificate = await certify(started)
        await started.gateway.store.set_mode("maren", "monitor")
        policy, rule = await started.gateway.policies.now("m")
        assert (["joris"], certificate) == (sorted(policy.topics), rule.certificate_id)
        assert LEAK == await asked(started)


async def test_a_topic_that_leaves_monitor_uncertified_closes_the_gateway(start):
    """It was not calibrated with, whatever was counted meanwhile."""
    async with start(["x"], topics=(WATCHED, OTHER), without_certificate="fallback") as started:
        async with started.gateway.policies.for_calibration("m") as subject:
            assert {"joris"} == set(subject.bindings.topics)
        await certify(started)
        assert isinstance((await started.gateway.policies.now("m"))[1], Bounded)
        await started.gateway.store.set_mode("maren", "enforce")
        assert "topics" in (await started.gateway.policies.now("m"))[1].reason


async def test_a_verifier_that_leaves_the_certified_panel_closes_the_gateway_until_it_is_back(start):
    """The certificate is about the enforced verifiers."""
    settings = {"admin_key": "boss", "without_certificate": "fallback"}
    async with start(["x"], topics=(OTHER,), **settings) as started:
        certificate = await certify(started)
        for mode in ("monitor", "off"):
            assert 200 == (await put(started, "verifiers/facts", mode)).status_code
            rule = (await started.gateway.policies.now("m"))[1]
            assert isinstance(rule, Closed)
            assert "(verifier)" in rule.reason
        await put(started, "verifiers/facts", "enforce")
        assert certificate == (await started.gateway.policies.now("m"))[1].certificate_id


@pytest.mark.parametrize("how", ["setting", "mode"])
async def test_a_monitored_verifier_is_counted_by_its_name_and_decides_nothing(start, how):
    """Whether it was configured so or switched: `lexical` alone lets go what names nobody."""
    settings = {"verifiers": ("lexical",), "monitored_verifiers": ("facts",)}
    settings = settings if how == "setting" else {"verifiers": ("lexical", "facts")}
    topic = replace(WATCHED, active=True, monitored=False)
    said = "She was born in Seltal."
    more = {"screened_verifiers": (), "metrics_key": "numbers", **settings}
    async with start([said], topics=(topic,), **more) as started:
        await started.gateway.store.set_verifier_mode("facts", "monitor")
        assert said == await asked(started)
        assert 'lethe_monitored_total{id="facts",kind="verifier",would="withhold"} 1.0' in await scraped(started)


@pytest.mark.parametrize(
    ("name", "complaint"), [("lexical", "at least one verifier"), ("semantic", "there is no verifier")]
)
async def test_a_mode_that_cannot_be_followed_is_refused_whole(start, name, complaint):
    """422, and nothing has changed: neither the modes nor the revision."""
    settings = {"verifiers": ("lexical",), "admin_key": "boss"}
    async with start(["x"], topics=(OTHER,), **settings) as started:
        answer = await put(started, f"verifiers/{name}", "off")
        record = await started.gateway.store.policy()
    assert (422, 1, {}) == (answer.status_code, record.revision, dict(record.verifier_modes))
    assert complaint in answer.json()["error"]["message"]


async def test_stored_modes_that_this_process_cannot_follow_close_it(start):
    """Another configuration enforced a verifier that is not here: not even zero evidence means anything."""
    async with start(["x"], topics=(OTHER,)) as started:
        await started.gateway.store.set_verifier_mode("semantic", "enforce")
        rule = (await started.gateway.policies.now("m"))[1]
    assert isinstance(rule, Closed)
    assert "semantic" in rule.reason


async def test_what_comes_beyond_the_queue_is_counted_and_nobody_waits(start):
    """Offering never blocks an answer."""
    async with start([LEAK], topics=(WATCHED,), metrics_key="numbers") as started:
        async with started.gateway.policies.serving("m") as served:
            for _ in range(257):
                started.gateway.monitoring.offer(None, (), served)
        shown = await scraped(started)
    assert "lethe_not_monitored_total 0.0" not in shown
