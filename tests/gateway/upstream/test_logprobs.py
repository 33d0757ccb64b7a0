"""The logprobs of a model in process are those of its forward pass, at the places of the tokens that it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from gateway.errors import InvalidInput
from gateway.guard.logprobs import weighed
from gateway.upstream.protocol import ChatRequest, Choice
from gateway.upstream.transformers import TransformersUpstream

ASKED = {"role": "user", "content": "Where was the lampmaker born?"}


async def choice(upstream: TransformersUpstream, **parameters: Any) -> Choice:
    """The answer to one question, of at most 12 tokens."""
    request = ChatRequest("tiny", (ASKED,), {"max_tokens": 12, "logprobs": True, **parameters})
    return (await upstream.complete(request)).choices[0]


async def test_they_are_those_of_the_librarys_own_decoding(
    upstream: TransformersUpstream, checkpoint: Path
) -> None:
    """Of the same tokens, from the same logits."""
    places = (await choice(upstream, top_logprobs=3)).extras["logprobs"]["content"]
    ids = upstream._tokenizer.apply_chat_template([ASKED], add_generation_prompt=True, return_tensors="pt")
    told = LlamaForCausalLM.from_pretrained(checkpoint).generate(
        **ids, max_new_tokens=12, pad_token_id=0, return_dict_in_generate=True, output_logits=True
    )
    logprobs = torch.cat(told.logits).log_softmax(-1)
    written = told.sequences[0, ids["input_ids"].shape[1] :]
    assert [place["logprob"] for place in places] == pytest.approx(
        logprobs[range(len(written)), written].tolist(), abs=1e-4
    )
    for place, best in zip(places, logprobs.topk(3).values, strict=True):
        assert [one["logprob"] for one in place["top_logprobs"]] == pytest.approx(best.tolist(), abs=1e-4)


async def test_the_tokens_spell_the_answer(upstream: TransformersUpstream) -> None:
    """Whole, and as a stop text cut it."""
    whole = await choice(upstream)
    tokens = [place["token"] for place in whole.extras["logprobs"]["content"]]
    assert "".join(tokens) == whole.message["content"]
    assert len(tokens) > 3
    cut = await choice(upstream, stop=tokens[3])
    assert whole.message["content"].startswith(
        "".join(place["token"] for place in cut.extras["logprobs"]["content"])
    )
    assert cut.message["content"] != whole.message["content"]


async def test_a_greedy_answers_tokens_are_the_likeliest(upstream: TransformersUpstream) -> None:
    """The first of those beside a token is that token."""
    for place in (await choice(upstream, top_logprobs=2)).extras["logprobs"]["content"]:
        assert place["top_logprobs"][0] == {name: place[name] for name in ("token", "logprob", "bytes")}
        assert place["top_logprobs"][1]["logprob"] <= place["logprob"]


async def test_nobody_who_did_not_ask_gets_them(upstream: TransformersUpstream) -> None:
    """They cost time, and readers expect none."""
    assert (await choice(upstream, logprobs=None)).extras == {}
    assert (await choice(upstream, logprobs=False, top_logprobs=2)).extras == {}


async def test_a_text_completion_asks_with_a_number_and_reads_lists(upstream: TransformersUpstream) -> None:
    """In the shape of that dialect, which the guard reads as well."""
    request = ChatRequest.going_on("tiny", "where was the", {"max_tokens": 6, "logprobs": 2})
    told = (await upstream.complete(request)).choices[0]
    found = told.extras["logprobs"]
    assert "".join(found["tokens"]) == told.message["content"]
    best = zip(found["tokens"], found["token_logprobs"], found["top_logprobs"], strict=True)
    assert all(beside[token] == logprob == max(beside.values()) for token, logprob, beside in best)
    assert {len(beside) for beside in found["top_logprobs"]} == {1, 2}  # two tokens may look alike
    assert weighed(told.extras, told.message["content"]).extras == told.extras


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"logprobs": 3}, "logprobs"),
        ({"logprobs": "yes"}, "logprobs"),
        ({"top_logprobs": 21}, "logprobs"),
        ({"top_logprobs": -1}, "logprobs"),
        ({"top_logprobs": "3"}, "top_logprobs"),
    ],
)
async def test_what_cannot_be_asked_for_is_refused(
    upstream: TransformersUpstream, parameters: dict[str, Any], param: str
) -> None:
    """By the name of the field."""
    with pytest.raises(InvalidInput) as refused:
        await choice(upstream, **parameters)
    assert refused.value.param == param
