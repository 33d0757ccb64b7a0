"""The in-process upstream: a Hugging Face checkpoint that answers concurrent chats together. Knows no topics."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Condition, Thread
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar

from gateway.errors import InvalidInput, UnknownModel, UpstreamError
from gateway.upstream.checkpoint_files import checkpoint_fingerprint
from gateway.upstream.decoding import Decoder, Row
from gateway.upstream.logprobs import written_logprobs
from gateway.upstream.pieces import News, Pieces
from gateway.upstream.protocol import Capabilities, ChatRequest, Choice, Completion, Send, Usage
from gateway.upstream.sampling import Defaults, row_samplings
from gateway.upstream.weighing import weighed_places

__all__ = ["Batching", "TransformersUpstream"]


@dataclass(frozen=True, slots=True)
class Batching:
    """How requests are put together. Rows wait ``window_s`` for company; a batch holds at most ``rows`` rows
    and ``tokens`` tokens; after ``turn`` tokens a batch makes way for those that wait, and is taken up later.
    """

    window_s: float = 0.002
    rows: int = 64
    tokens: int = 32_768
    turn: int = 64


@dataclass(eq=False, slots=True)
class _Job:
    rows: tuple[Row, ...]
    done: Future[None]

    @property
    def over(self) -> bool:
        return all(row.over for row in self.rows)

    @property
    def size(self) -> int:
        """How many tokens its rows could come to hold."""
        return sum(len(row.prompt) + row.sampling.max_tokens for row in self.rows)


class TransformersUpstream:
    """Serves one causal language model with a chat template from a directory, on one thread of its own.

    Answers do not depend on what else is in the batch, up to the rounding of sums. Without ``temperature``
    the checkpoint's generation_config decides (greedy unless it says ``do_sample``). ``seed`` makes requests
    that bring none repeatable in their order of arrival. Raises ``InvalidInput`` for a directory or a request
    that it cannot use, and ``UpstreamError`` where generation fails.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str | None = None,
        threads: int = 1,
        seed: int | None = None,
        batching: Batching = Batching(),
    ) -> None:
        torch.set_num_threads(threads)  # more than one is slower for small models beside other work
        self._name = name or path.name
        self._tokenizer, model = _load(path)
        self._context = int(model.config.max_position_embeddings)
        self._defaults = Defaults.of(model.generation_config)
        end_ids = frozenset(_as_ids(model.generation_config.eos_token_id) or [self._tokenizer.eos_token_id])
        self._marks = tuple(self._tokenizer.get_added_vocab())
        self._decoder = Decoder(model.eval(), self._tokenizer, end_ids)
        self._fingerprint = checkpoint_fingerprint(path)
        self._seeds = random.Random(seed)  # noqa: S311  # sampling, not secrecy
        self._batching = batching
        self._queue: list[_Job] = []
        self._changed = Condition()
        self._closed = False
        self._worker = Thread(target=self._work, name=f"lethe-{self._name}", daemon=True)
        self._worker.start()

    @property
    def capabilities(self) -> Capabilities:
        """Draw several choices; keep banned words out."""
        return Capabilities(several_choices=True, banned_words=True)

    def fingerprint(self, model: str) -> str:
        """Hash the weights, the tokenizer, their configuration and the version of decoding."""
        self._check_name(model)
        return self._fingerprint

    async def models(self) -> tuple[str, ...]:
        """The one name that it was given."""
        return (self._name,)

    async def complete(self, request: ChatRequest) -> Completion:
        """Generate, together with whatever else is asked meanwhile."""
        job = self._job(request)
        with self._writing(job) as done:
            await done
        return self._completion(request, job.rows)

    async def stream(self, request: ChatRequest, send: Send) -> Completion:
        """Generate the first choice likewise, which goes on while ``send`` is busy, and ends when it raises."""
        job = self._job(replace(request, n=1))
        (row,) = job.rows
        pieces, news = Pieces(self._decoder.decode, row.sampling.stop), News()
        row.heard = news.tell
        with self._writing(job) as done:
            while (count := await news.next(done)) is not None:
                if text := pieces.more(row.written[:count]):
                    await send(text)
            await done
            if text := pieces.rest(row.text):
                await send(text)
        return self._completion(request, job.rows)

    async def aclose(self) -> None:
        """Fail what waits, end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        await asyncio.to_thread(self._worker.join)

    def _check_name(self, model: str) -> None:
        if model != self._name:
            raise UnknownModel("there is no such model; GET /v1/models lists them", param="model")

    @contextmanager
    def _writing(self, job: _Job) -> Iterator[asyncio.Future[None]]:
        """Have it written. Whoever leaves the block sooner, cancelled or by an error, ends the writing."""
        with self._changed:
            if self._closed:
                raise UpstreamError("The in-process model has been closed.")
            self._queue.append(job)
            self._changed.notify()
        done = asyncio.wrap_future(job.done)
        try:
            yield done
        finally:
            for row in job.rows:
                row.cancelled = True  # seen before the next token is written
            done.cancel()

    def _job(self, request: ChatRequest) -> _Job:
        self._check_name(request.model)
        prompt = self._prompt(request)
        room = self._context - len(prompt)
        if room < 1:
            message = f"The conversation has {len(prompt)} tokens; the model's context holds {self._context}."
            raise InvalidInput(message, param="messages")
        vocabulary = len(self._tokenizer)
        samplings = row_samplings(request, self._defaults, room, vocabulary, self._seeds.getrandbits(48))
        return _Job(tuple(Row(prompt, sampling) for sampling in samplings), Future())

    def _prompt(self, request: ChatRequest) -> tuple[int, ...]:
        if request.raw:
            (said,) = (_plain(message, self._marks) for message in request.messages)
            return tuple(self._tokenizer.encode(said["content"])) or (self._tokenizer.eos_token_id,)
        messages = [_plain(message, self._marks) for message in request.messages]
        try:
            text = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # a template may raise whatever it likes
            message = f"The model's chat template refuses this conversation: {error}"
            raise InvalidInput(message, param="messages") from error
        return tuple(self._tokenizer.encode(str(text), add_special_tokens=False))

    def _completion(self, request: ChatRequest, rows: Sequence[Row]) -> Completion:
        choices = tuple(
            Choice(
                {"role": "assistant", "content": row.text},
                row.finish_reason or "stop",
                self._logprobs(row, raw=request.raw),
            )
            for row in rows
        )
        written = sum(len(row.written) for row in rows)
        return Completion(self._name, choices, Usage(len(rows[0].prompt), written))

    def _logprobs(self, row: Row, *, raw: bool) -> Mapping[str, Any]:
        if row.sampling.logprobs is None:
            return {}
        places = weighed_places(row.written, row.weights, self._decoder.decode, row.text)
        return {"logprobs": written_logprobs(places, completion=raw)}

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            try:
                self._decoder.write([row for job in batch for row in job.rows], self._making_way)
            except Exception as error:  # whatever torch raises fails this batch, not the thread
                for job in batch:
                    _settle(job, UpstreamError(f"The in-process model failed: {type(error).__name__}."))
            else:
                self._put_back(batch)
        for job in self._queue:
            _settle(job, UpstreamError("The in-process model was closed before it answered."))

    def _next_batch(self) -> list[_Job] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            if not self._closed and len(self._queue) < self._batching.rows:
                self._gather()
            if self._closed:
                return None
            return self._taken()

    def _gather(self) -> None:
        """Let a moment pass for company, unless requests stop coming sooner."""
        until = time.monotonic() + self._batching.window_s
        while (left := until - time.monotonic()) > 0 and not self._closed:
            self._changed.wait(left)

    def _taken(self) -> list[_Job]:
        """Take jobs from the head of the queue while they fit; the first is taken whatever its size."""
        batch: list[_Job] = []
        rows, tokens = 0, 0
        while self._queue:
            rows, tokens = rows + len(self._queue[0].rows), tokens + self._queue[0].size
            if batch and (rows > self._batching.rows or tokens > self._batching.tokens):
                break
            batch.append(self._queue.pop(0))
        return batch

    def _making_way(self, step: int) -> bool:
        """Stop a batch whose turn is over when others wait, or when the upstream closes."""
        return self._closed or (step >= self._batching.turn and bool(self._queue))

    def _put_back(self, batch: Sequence[_Job]) -> None:
        for job in batch:
            if job.over:
                _settle(job, None)
        with self._changed:
            self._queue.extend(job for job in batch if not job.over)


def _settle(job: _Job, error: UpstreamError | None) -> None:
    """Wake the waiting request, unless it has gone."""
    if not job.done.set_running_or_notify_cancel():
        return
    if error is None:
        job.done.set_result(None)
    else:
        job.done.set_exception(error)


def _plain(message: Any, marks: Sequence[str]) -> dict[str, str]:
    """Reduce a message to what a chat template needs: ``developer`` speaks as system, text parts are joined."""
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str):
        raise InvalidInput("Every message needs a role.", param="messages")
    if content is None:
        content = ""
    if isinstance(content, list):
        if any(not isinstance(part, dict) or part.get("type") != "text" for part in content):
            raise InvalidInput("The in-process model reads text parts only.", param="messages")
        content = "".join(str(part.get("text", "")) for part in content)
    if not isinstance(content, str):
        raise InvalidInput("A message's content must be text.", param="messages")
    while any(mark in content for mark in marks):  # a client's text must not begin a turn of its own
        for mark in marks:
            content = content.replace(mark, "")
    return {"role": "system" if role == "developer" else role, "content": content}


def _load(path: Path) -> tuple[PreTrainedTokenizerBase, Any]:
    if not (path / "config.json").is_file():
        raise InvalidInput(f"There is no model at {path}: a checkpoint directory has a config.json.")
    disable_progress_bar()  # type: ignore[no-untyped-call]  # loading takes a moment, and its bars would run through the gateway's own output
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(path, local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError, KeyError) as error:
        raise InvalidInput(f"The checkpoint at {path} cannot be loaded: {error}") from error
    if tokenizer.chat_template is None:
        raise InvalidInput(f"The tokenizer at {path} has no chat template, so it cannot be asked in chats.")
    return tokenizer, model


def _as_ids(ids: int | Sequence[int] | None) -> list[int]:
    if ids is None:
        return []
    return [ids] if isinstance(ids, int) else list(ids)
