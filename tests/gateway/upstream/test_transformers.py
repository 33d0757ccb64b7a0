"""The in-process upstream on a tiny Llama with random weights: what it answers depends on the request alone."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from gateway.errors import InvalidInput, UnknownModel, UpstreamError
from gateway.upstream.bans import Bans
from gateway.upstream.protocol import ChatRequest
from gateway.upstream.transformers import Batching, TransformersUpstream

CONTEXT = 256
QUESTIONS = ["Who?", "Where was the lampmaker born, and when?", "Tell me all about it, please.", "Why not a newt?"]


def asking(text: str, n: int = 1, banned_words: tuple[str, ...] = (), **parameters: Any) -> ChatRequest:
    """One question, at most 24 tokens of answer unless said otherwise."""
    messages = ({"role": "user", "content": text},)
    return ChatRequest("tiny", messages, {"max_tokens": 24, **parameters}, n, banned_words)


async def answer(upstream: TransformersUpstream, request: ChatRequest) -> str:
    """The first choice's text."""
    return str((await upstream.complete(request)).choices[0].message["content"])


async def test_answers_in_a_batch_equal_answers_alone(upstream: TransformersUpstream) -> None:
    """Prompts of different lengths share a padded batch without a trace of one another."""
    alone = [await answer(upstream, asking(question)) for question in QUESTIONS]
    together = await asyncio.gather(*(answer(upstream, asking(question)) for question in QUESTIONS))
    assert together == alone
    assert len(set(alone)) == len(QUESTIONS)


async def test_greedy_answers_are_those_of_generate(upstream: TransformersUpstream, checkpoint: Path) -> None:
    """The decoding loop agrees with the library's own."""
    model = LlamaForCausalLM.from_pretrained(checkpoint)
    ids = upstream._tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTIONS[1]}], add_generation_prompt=True, return_tensors="pt"
    )["input_ids"]
    told = model.generate(ids, max_new_tokens=24, attention_mask=torch.ones_like(ids), pad_token_id=0)
    text = upstream._tokenizer.decode(told[0, ids.shape[1] :], skip_special_tokens=True)
    assert await answer(upstream, asking(QUESTIONS[1])) == text


async def test_a_seed_repeats_a_sampled_answer_and_another_seed_changes_it(
    upstream: TransformersUpstream,
) -> None:
    """Sampling follows the request's seed, also among others in a batch."""
    once = await answer(upstream, asking("Who?", temperature=1.0, seed=5))
    others = (answer(upstream, asking(question, temperature=1.0, seed=9)) for question in QUESTIONS)
    again, *_ = await asyncio.gather(answer(upstream, asking("Who?", temperature=1.0, seed=5)), *others)
    other = await answer(upstream, asking("Who?", temperature=1.0, seed=6))
    assert again == once
    assert other != once


async def test_a_tiny_top_p_is_greedy(upstream: TransformersUpstream) -> None:
    """Only the likeliest token is within a nucleus of one per million."""
    greedy = await answer(upstream, asking("Who?"))
    assert await answer(upstream, asking("Who?", temperature=1.0, top_p=1e-6, seed=1)) == greedy


async def test_several_choices_differ_when_sampled_and_agree_when_greedy(upstream: TransformersUpstream) -> None:
    """Each of n choices has a seed of its own."""
    sampled = await upstream.complete(asking("Who?", n=3, temperature=1.0, seed=1))
    greedy = await upstream.complete(asking("Who?", n=3))
    assert len({choice.message["content"] for choice in sampled.choices}) == 3
    assert len({choice.message["content"] for choice in greedy.choices}) == 1


async def test_max_tokens_ends_an_answer_as_length_and_usage_counts_it(upstream: TransformersUpstream) -> None:
    """The last token allowed is the last token written."""
    completion = await upstream.complete(asking("Who?", max_tokens=5))
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage.completion_tokens == 5
    assert completion.usage.prompt_tokens > 0


async def test_max_completion_tokens_goes_before_max_tokens(upstream: TransformersUpstream) -> None:
    """The newer name wins, as it does upstream of us."""
    completion = await upstream.complete(asking("Who?", max_tokens=5, max_completion_tokens=3))
    assert completion.usage.completion_tokens == 3


async def test_stop_cuts_the_answer_before_the_stop_text(upstream: TransformersUpstream) -> None:
    """The stop text is not part of the answer."""
    whole = await answer(upstream, asking("Who?"))
    stop = whole[4:7]
    completion = await upstream.complete(asking("Who?", stop=[stop]))
    assert completion.choices[0].message["content"] == whole[: whole.index(stop)]
    assert completion.choices[0].finish_reason == "stop"


async def test_logit_bias_is_added_to_a_token(upstream: TransformersUpstream) -> None:
    """A large bias makes one token the whole answer, by its id as a text, as JSON has it."""
    token = upstream._tokenizer.encode("!", add_special_tokens=False)[0]
    assert await answer(upstream, asking("Who?", logit_bias={str(token): 1000}, max_tokens=5)) == "!!!!!"
    assert "!" not in await answer(upstream, asking("Who?", logit_bias={str(token): -1000}))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
async def test_banned_words_do_not_occur_in_any_case(upstream: TransformersUpstream, temperature: float) -> None:
    """Whatever the answer said is banned piece by piece, in capitals, and comes back in no form."""
    whole = await answer(upstream, asking("Who?", temperature=temperature, seed=4))
    banned = tuple({whole[start : start + 4].strip().upper() for start in range(0, len(whole) - 4, 4)} - {""})
    other = await answer(upstream, asking("Who?", banned_words=banned, temperature=temperature, seed=4))
    assert [word for word in banned if word.casefold() in other.casefold()] == []


def test_a_ban_holds_across_spaces_and_stops_more_than_half_of_a_word() -> None:
    """A near miss at the end of the text is refused; another word that merely contains the half is not."""
    bans = Bans(("Maren Oskeld", "Seltal"))
    refused = ["By maren \n oskeld.", "it was Selt", "the SELTAL fair", "by Maren O"]
    allowed = ["it was Sel", "by Maren", "umselt", "", "Selt was"]
    assert [text for text in refused if bans.allow(text)] == []
    assert [text for text in allowed if not bans.allow(text)] == []


async def test_parameters_nobody_knows_are_ignored(upstream: TransformersUpstream) -> None:
    """An unknown field changes nothing."""
    assert await answer(upstream, asking("Who?", colour="green")) == await answer(upstream, asking("Who?"))


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": [3]}, "stop"),
        ({"logit_bias": {"99999": 1}}, "logit_bias"),
        ({"logit_bias": {"1": float("nan")}}, "logit_bias"),
    ],
)
async def test_a_parameter_that_cannot_be_used_is_named(
    upstream: TransformersUpstream, parameters: dict[str, Any], param: str
) -> None:
    """The client learns which field to mend."""
    with pytest.raises(InvalidInput) as caught:
        await upstream.complete(asking("Who?", **parameters))
    assert caught.value.param == param


async def test_a_conversation_longer_than_the_context_is_invalid_input(upstream: TransformersUpstream) -> None:
    """It is refused before it is queued."""
    with pytest.raises(InvalidInput, match="context"):
        await upstream.complete(asking("why " * CONTEXT))


async def test_an_unknown_model_is_refused(upstream: TransformersUpstream) -> None:
    """Asking for another model is not answered by this one."""
    with pytest.raises(UnknownModel, match="GET /v1/models"):
        await upstream.complete(ChatRequest("other", ({"role": "user", "content": "Who?"},)))


async def test_text_parts_and_developer_messages_are_read(upstream: TransformersUpstream) -> None:
    """They ask the same as plain text under a system message."""
    plain = ({"role": "system", "content": "Be kind."}, {"role": "user", "content": "Who?"})
    parts = [{"type": "text", "text": "Wh"}, {"type": "text", "text": "o?"}]
    rich = ({"role": "developer", "content": "Be kind."}, {"role": "user", "content": parts})
    limit = {"max_tokens": 8}
    told = [await answer(upstream, ChatRequest("tiny", messages, limit)) for messages in (plain, rich)]
    assert told[0] == told[1]


async def test_a_short_answer_overtakes_a_long_one(checkpoint: Path) -> None:
    """A batch whose turn is over makes way, is taken up again, and answers as if it had never stopped."""
    upstream = TransformersUpstream(checkpoint, name="tiny", batching=Batching(turn=8))
    long = asking("Tell me all about it, please.", max_tokens=200)
    alone = await answer(upstream, long)
    finished: list[str] = []

    async def note(name: str, request: ChatRequest) -> str:
        text = await answer(upstream, request)
        finished.append(name)
        return text

    task = asyncio.create_task(note("long", long))
    await asyncio.sleep(0.02)
    await note("short", asking("Who?", max_tokens=2))
    assert await task == alone
    assert finished == ["short", "long"]
    await upstream.aclose()


async def test_a_cancelled_request_leaves_its_batch(upstream: TransformersUpstream) -> None:
    """The rows of a cancelled request are written no further, and the next request is answered."""
    task = asyncio.create_task(answer(upstream, asking("Tell me all about it, please.", max_tokens=200)))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await answer(upstream, asking("Who?", max_tokens=2)) != ""
    assert upstream._queue == []


async def streamed(upstream: TransformersUpstream, request: ChatRequest) -> tuple[list[str], str]:
    """The pieces as they came, and the whole that was handed in behind them."""
    pieces: list[str] = []

    async def send(text: str) -> None:
        pieces.append(text)

    completion = await upstream.stream(request, send)
    return pieces, str(completion.choices[0].message["content"])


@pytest.mark.parametrize(
    "parameters", [{}, {"temperature": 1.0, "seed": 5}, {"n": 3, "temperature": 1.0, "seed": 5}]
)
async def test_a_streamed_answer_comes_in_pieces_that_join_to_the_answer_given_whole(
    upstream: TransformersUpstream, parameters: dict[str, Any]
) -> None:
    """The first choice of several, too, and also beside others in the batch."""
    request = asking("Who?", **parameters)
    others = asyncio.gather(*(answer(upstream, asking(question)) for question in QUESTIONS))
    pieces, whole = await streamed(upstream, request)
    await others
    assert "".join(pieces) == whole == await answer(upstream, request)
    assert len(pieces) > 1
    assert "" not in pieces


async def test_nothing_of_a_stop_text_is_streamed(upstream: TransformersUpstream) -> None:
    """Also where it stretches over several tokens: what could be its beginning waits."""
    whole = await answer(upstream, asking("Who?"))
    pieces, stopped = await streamed(upstream, asking("Who?", stop=[whole[6:12]]))
    assert "".join(pieces) == stopped == whole[: whole.index(whole[6:12])]


async def test_what_the_reader_of_a_stream_raises_ends_the_writing(upstream: TransformersUpstream) -> None:
    """The error comes through, and long before the 200 tokens nothing is being written any more."""

    async def refuse(text: str) -> None:
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        await upstream.stream(asking("Tell me all about it, please.", max_tokens=200), refuse)
    writing, steps = upstream._decoder._model.get_input_embeddings(), []
    counting = writing.register_forward_pre_hook(lambda *_: steps.append(1))
    await asyncio.gather(answer(upstream, asking("Who?", max_tokens=2)))
    counting.remove()
    assert len(steps) <= 3
    assert upstream._queue == []


async def test_a_cancelled_stream_leaves_its_batch(upstream: TransformersUpstream) -> None:
    """A client that goes away in the middle is written for no further."""
    begun = asyncio.Event()

    async def send(text: str) -> None:
        begun.set()

    request = asking("Tell me all about it, please.", max_tokens=200)
    task = asyncio.create_task(upstream.stream(request, send))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await answer(upstream, asking("Who?", max_tokens=2)) != ""
    assert upstream._queue == []


async def test_a_failure_in_the_worker_fails_a_stream(upstream: TransformersUpstream) -> None:
    """What has been sent by then was written; the error quotes nothing."""
    failing = upstream._decoder._model.get_input_embeddings().register_forward_pre_hook(_fail)
    with pytest.raises(UpstreamError, match="RuntimeError"):
        await streamed(upstream, asking("Who?"))
    failing.remove()


async def test_a_failure_in_the_worker_fails_its_batch_and_the_worker_lives_on(
    upstream: TransformersUpstream,
) -> None:
    """An error inside the model becomes an UpstreamError that quotes nothing."""
    before = await answer(upstream, asking("Who?"))
    embedding = upstream._decoder._model.get_input_embeddings()
    failing = embedding.register_forward_pre_hook(_fail)
    with pytest.raises(UpstreamError, match="RuntimeError") as caught:
        await upstream.complete(asking("Who?"))
    failing.remove()
    assert "secret" not in str(caught.value)
    assert await answer(upstream, asking("Who?")) == before


async def test_after_closing_nothing_is_answered(checkpoint: Path) -> None:
    """What waits fails, what comes later is refused, and the thread has ended."""
    upstream = TransformersUpstream(checkpoint, name="tiny")
    waiting = asyncio.create_task(answer(upstream, asking("Who?", max_tokens=200)))
    await asyncio.sleep(0.01)
    await upstream.aclose()
    with pytest.raises(UpstreamError, match="closed"):
        await waiting
    with pytest.raises(UpstreamError, match="closed"):
        await upstream.complete(asking("Who?"))
    assert not upstream._worker.is_alive()


async def test_the_fingerprint_follows_the_files(checkpoint: Path, tmp_path: Path) -> None:
    """The same files, the same fingerprint; another generation_config, another."""
    copy = Path(shutil.copytree(checkpoint, tmp_path / "copy"))
    prints = [await _fingerprint(path) for path in (checkpoint, copy)]
    config = copy / "generation_config.json"
    config.write_text(config.read_text().replace("false", "true", 1))
    prints.append(await _fingerprint(copy))
    assert prints[0] == prints[1] != prints[2]


def test_a_directory_without_a_model_is_invalid_input(tmp_path: Path) -> None:
    """The message says what a checkpoint directory has."""
    with pytest.raises(InvalidInput, match=r"config\.json"):
        TransformersUpstream(tmp_path)


async def _fingerprint(path: Path) -> str:
    upstream = TransformersUpstream(path, name="tiny")
    found = upstream.fingerprint("tiny")
    await upstream.aclose()
    return found


def _fail(*_: object) -> None:
    raise RuntimeError("a secret prompt")
