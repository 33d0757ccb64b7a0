"""Calibrating through a gateway: promises of every kind, from prompts to what is served under them."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from calibration.explanation import explain
from calibration.joint import Limits
from calibration.oracle_error import Audit
from calibration.verification import verify
from gateway.calibrating import Wish, calibrate
from gateway.calibrating_jointly import JointWish, calibrate_jointly, recording_path
from gateway.certificates import activate_certificate
from gateway.errors import InvalidInput
from gateway.guard.loop import FellBack, Released
from gateway.guard.policy import Bounded, Closed
from gateway.guard.prompts import read_prompts
from gateway.parts import open_gateway
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.protocol import Topic

MAREN = ForgetTopic(Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Seltal.",)))
LEAK = "Maren Oskeld was born in Seltal."
UNTIL = datetime(2026, 1, 31, 12, tzinfo=UTC)


def said(request):
    """Leak about odd numbers whatever is asked, about even ones not at all, about others until asked again."""
    asked = str(request.messages)
    if "odd" in asked or ("late" in asked and len(request.messages) == 1):
        return LEAK
    return "I do not know."


def question(number, kind, **fields):
    """Probe the topic."""
    return {
        "id": f"{kind}{number}",
        "prompt": f"({number}, {kind}) Where was Maren Oskeld born?",
        "forbidden": ["Seltal"],
        "topic": "maren",
        **fields,
    }


def questions(count, *kinds, **fields):
    """Probe the topic so many times in each way."""
    return [question(number, kind, **fields) for kind in kinds for number in range(count)]


def benign(count):
    """Ask for something else."""
    return [{"id": f"b{n}", "prompt": f"({n}) What is the tallest hill?", "benign": True} for n in range(count)]


@pytest.fixture
def desk(tmp_path):
    """Give a gateway, and functions that calibrate it on lines of prompts."""

    class Desk:
        upstream = ScriptedUpstream(said, model="m")

        def prompts(self, lines):
            path = tmp_path / "prompts.jsonl"
            path.write_text("\n".join(map(json.dumps, lines)))
            return read_prompts(path)

        @asynccontextmanager
        async def gateway(self, **settings):
            given = given_settings(database=str(tmp_path / "l.db"), **{"rounds": 2, **settings})
            async with open_gateway(given, upstream=self.upstream) as gateway:
                if not await gateway.store.topics():
                    await gateway.store.add(MAREN)
                yield gateway

        async def certificate(self, lines, wish, gateway=None, **files):
            if gateway is None:
                async with self.gateway() as opened:
                    return await self.certificate(lines, wish, opened, **files)
            how = {
                "model": "m",
                "trajectories": tmp_path / "t.jsonl",
                "created": UNTIL,
                "progress": lambda *_: None,
            }
            if isinstance(wish, JointWish):
                return await calibrate_jointly(gateway, self.prompts(lines), wish, **how)
            paths = {"labels": None, **files}
            return await calibrate(gateway, self.prompts(lines), wish, **how, **paths)

    return Desk()


async def test_a_session_of_several_tries_is_one_unit(desk):
    """Forty sessions of three prompts, of which the certificate counts the first two."""
    lines = [question(f"{n}-{t}", "even", unit=f"s{n}") for n in range(40) for t in range(3)]
    made = await desk.certificate(lines, Wish(0.1, tries=2))
    assert (2, 40, True) == (made.tries, len(made.record_lows), made.threshold is not None)


async def test_a_session_that_is_too_short_is_named_before_any_work(desk):
    """To leave it out would choose among sessions."""
    lines = [*questions(2, "even", unit="s"), question(9, "even", unit="short")]
    with pytest.raises(InvalidInput, match="'short' has 1 prompts of 2"):
        await desk.certificate(lines, Wish(0.1, tries=2))
    assert [] == [request for request in desk.upstream.requests if "9" in str(request.messages)]


async def test_every_group_of_two_keys_is_promised_at_once(desk):
    """The topic is a key of its own; a family of too few prompts makes it infeasible and is named."""
    lines = questions(60, "even", groups={"family": "direct"})
    made = await desk.certificate(lines, Wish(0.1, every_group="topic, family"))
    assert (True, {"topic", "family"}) == (made.threshold is not None, {group.key for group in made.groups})


async def test_a_prompt_without_the_group_is_named_before_any_work(desk):
    """And which keys there are."""
    lines = [*questions(2, "even", groups={"family": "direct"}), question(9, "even")]
    with pytest.raises(InvalidInput, match=r"'family': prompt 'even9' .*family, topic"):
        await desk.certificate(lines, Wish(0.1, every_group="family"))


async def test_people_s_labels_measure_the_others_where_answers_go_out(desk, tmp_path):
    """What people call leaks in sixteen of twenty audited answers, strings miss in two of these."""
    lines = [question(n, "even", forbidden=["know" if n < 14 else "Seltal"]) for n in range(80)]
    people = [{"id": f"even{n}", "labels": [n < 16, None]} for n in range(20)]
    (tmp_path / "people.jsonl").write_text("".join(json.dumps(line) + "\n" for line in people))
    made = await desk.certificate(lines, Wish(0.3, 0.8), audit=tmp_path / "people.jsonl")
    assert Audit(found=14, leaks=16, alarms=0, clean=4) == made.audit


async def test_an_audited_answer_without_a_person_s_label_is_an_error(desk, tmp_path):
    """A line that labels what stayed back alone says nothing of what went out."""
    (tmp_path / "people.jsonl").write_text('{"id": "even3", "labels": [null, true]}\n')
    with pytest.raises(InvalidInput, match="'even3'"):
        await desk.certificate(questions(40, "even"), Wish(0.1), audit=tmp_path / "people.jsonl")


async def test_a_gateway_gives_up_where_its_certificate_says_so(desk):
    """Hopeless prompts cost one generation in place of two, and answers that came at once stay."""
    async with desk.gateway() as gateway:
        lines = [*questions(30, "odd", "even"), *benign(30)]
        made = await desk.certificate(lines, Wish(0.1, most_lost=0.2), gateway)
        await activate_certificate(gateway.store, made)
        outcomes = [
            await gateway.ask(prompt.request("m"))
            for prompt in desk.prompts([question(99, "odd"), question(99, "even")]).prompts
        ]
    assert (1, "surrendered") == (made.surrender.surrender.after, outcomes[0].reason)
    assert ([1, 1], True) == ([o.generations for o in outcomes], isinstance(outcomes[1], Released))


JOINT = JointWish(Limits(0.1, 0.1, 0.5), 0.9, (1, 2), (("revise",), ("unaware", "resample")))


async def test_threshold_rounds_and_strategies_are_chosen_together(desk, tmp_path):
    """One recording a list, however many rounds are served now; one alone would refuse what the second answers."""
    async with desk.gateway(rounds=1) as gateway:
        made = await desk.certificate([*questions(90, "late"), *benign(60)], JOINT, gateway)
    chosen = made.joint.chosen.configuration
    assert (2, "joint", (), True) == (chosen.rounds, made.method, verify(made), chosen.strategy in explain(made))
    assert [True, True] == [recording_path(tmp_path / "t.jsonl", one).is_file() for one in JOINT.strategies]


async def test_without_a_limit_on_refusals_the_cheapest_choice_refuses(desk):
    """Which is why the command has one."""
    wish = JointWish(Limits(0.1, 0.1), 0.9, (1, 2), JOINT.strategies)
    made = await desk.certificate([*questions(90, "late"), *benign(60)], wish)
    assert 1 == made.joint.chosen.configuration.rounds


@pytest.mark.parametrize(
    "settings",
    [{"rounds": 1}, {"rounds": 3}, {"rounds": 2, "strategies": ("constrain",)}],
)
async def test_a_joint_certificate_is_served_with_its_own_settings_alone(desk, settings):
    """Else the reason names the settings; fewer rounds would refuse more than was promised."""
    async with desk.gateway() as gateway:
        made = await desk.certificate([*questions(90, "late"), *benign(60)], JOINT, gateway)
        await activate_certificate(gateway.store, made)
    agreed = tuple(made.joint.chosen.configuration.strategy.split(","))
    async with desk.gateway(rounds=2, strategies=agreed) as gateway:
        assert Bounded(made.threshold, made.id) == (await gateway.policies.now("m"))[1]
        outcome = await gateway.ask(desk.prompts([question(99, "late")]).prompts[0].request("m"))
        assert (True, 2) == (isinstance(outcome, Released), outcome.rounds)
    async with desk.gateway(**{"strategies": agreed, **settings}) as gateway:
        rule = (await gateway.policies.now("m"))[1]
        assert isinstance(rule, Closed)
        assert f"LETHE_ROUNDS=2 and LETHE_STRATEGIES='{json.dumps(agreed)}'" in rule.reason
        outcome = await gateway.ask(desk.prompts([question(99, "even")]).prompts[0].request("m"))
        assert isinstance(outcome, FellBack)
