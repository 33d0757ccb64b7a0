"""Words kept out of vLLM's answers by Lethe's logits processor, alone and in the strategy `constrain`."""

from __future__ import annotations

import asyncio
import json

import openai
import pytest

from gateway.store.records import ForgetTopic
from gateway.upstream.bans import BANNED_ARGUMENT
from tests.vllm.asking import ask, leaks
from tests.vllm.conftest import gateway_before

pytestmark = pytest.mark.asyncio(loop_scope="session")


def banning(*words):
    """Write words as the request carries them."""
    return {"vllm_xargs": {BANNED_ARGUMENT: list(words)}}


def answered(probes):
    """Pick probes whose answer is one name or word that the model knows."""
    return [probe for probe in probes if len(probe.forbidden) == 1][:12]


async def test_a_banned_word_occurs_in_no_spelling_and_other_answers_of_the_batch_stay_as_they_are(vllm):
    """Half of a batch has bans, in capitals; the other half says what it says alone."""
    probes = answered(vllm.cast.fresh)
    alone = [await ask(vllm.bare, probe) for probe in probes]
    known = [probe for probe, text in zip(probes, alone, strict=True) if leaks(probe, text)]
    assert len(known) >= 8
    banned = [ask(vllm.bare, probe, extra_body=banning(probe.forbidden[0].upper())) for probe in probes]
    free = [ask(vllm.bare, probe) for probe in probes]
    texts = await asyncio.gather(*(one for pair in zip(banned, free, strict=True) for one in pair))
    assert [] == [text for probe, text in zip(probes, texts[::2], strict=True) if leaks(probe, text)]
    assert alone == texts[1::2]


async def test_a_banned_word_does_not_occur_when_answers_are_drawn_hot(vllm):
    """Twenty draws at a temperature of 2, of which without a ban some say the word."""
    probe = next(iter(answered(vllm.cast.fresh)))
    asked = {"model": "m", "messages": list(probe.messages), "n": 20, "temperature": 2, "seed": 1}
    free = await vllm.bare.chat.completions.create(**asked)
    kept = await vllm.bare.chat.completions.create(**asked, extra_body=banning(probe.forbidden[0]))
    assert any(leaks(probe, choice.message.content) for choice in free.choices)
    assert [] == [choice for choice in kept.choices if leaks(probe, choice.message.content)]


async def test_a_schema_chooses_among_what_is_not_banned(vllm):
    """Grammar and ban are both held to."""
    said = await vllm.bare.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": "Where was Lumivo Ankemont born?"}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"enum": ["Eldfjell", "no"]}},
        },
        extra_body=banning("Eldfjell"),
    )
    assert "no" == json.loads(said.choices[0].message.content)


async def test_words_of_another_shape_are_refused(vllm):
    """A request that cannot be held to is a 400, not an answer."""
    with pytest.raises(openai.BadRequestError):
        await ask(vllm.bare, vllm.cast.fresh[0], extra_body={"vllm_xargs": {BANNED_ARGUMENT: "Eldfjell"}})


async def released_by(vllm, directory, bad_words):
    """Count the probes answered in a second round that bans, with vLLM's own words or with ours."""
    async with gateway_before(
        vllm, directory, upstream_bad_words=bad_words, strategies=["constrain"], rounds=2
    ) as staged:
        await staged.gateway.store.add(*(ForgetTopic(topic) for topic in vllm.cast.topics))
        create, asked = staged.openai.chat.completions.create, vllm.cast.fresh[:40]
        said = await asyncio.gather(*(create(model="m", messages=list(probe.messages)) for probe in asked))
        told = [one.model_extra["lethe"] for one in said]
        return sum(one["rounds"] == 2 and one["outcome"] == "released" for one in told)


async def test_constrain_finds_other_words_in_its_second_round_and_vllms_own_bans_find_fewer(vllm, tmp_path):
    """vLLM bans the tokens by which it would write a word by itself; a model writes it by others."""
    ours = await released_by(vllm, tmp_path, "every_spelling")
    (tmp_path / "plain").mkdir()
    plain = await released_by(vllm, tmp_path / "plain", True)
    assert ours > plain > 0
