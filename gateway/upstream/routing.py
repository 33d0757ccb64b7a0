"""Several models behind one gateway: which are open now, under which names. Knows no topics, keys or store.

A request takes hold of one ``Fleet`` and uses no other until it ends, so that no trajectory is begun by one
checkpoint and finished by another, and no model is closed under a running request.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Generic, Protocol, TypeVar, cast

from gateway.errors import LetheError, UpstreamUnreachable
from gateway.telemetry.upstreams import ServerStanding
from gateway.threads import apart
from gateway.upstream.protocol import (
    Capabilities,
    ChatRequest,
    Choosing,
    Completion,
    EmbeddingRequest,
    Embeddings,
    Observed,
    Send,
    Upstream,
    embedder,
    streamed,
)

__all__ = ["Fleet", "Opener", "Routing", "Unavailable", "Wanted", "generator_fingerprint"]

P = TypeVar("P")
P_contra = TypeVar("P_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Wanted(Generic[P]):
    """A backend as it should be: where it is, and the fingerprint without which it is not served."""

    place: P
    fingerprint: str


class Opener(Protocol[P_contra]):
    """Opens models. ``open`` may take minutes and is called in a thread; it raises ``LetheError``."""

    def capabilities(self, place: P_contra) -> Capabilities:
        """Say what the model there can do, without opening it."""
        ...

    def open(self, name: str, place: P_contra) -> Upstream:
        """Open the model; it answers whatever model a request names."""
        ...


class Unavailable:
    """A backend that cannot answer: it raises, where another model's answer would be a broken promise.

    Its fingerprint is known all the same, so certificates that count on it stay what they are. ``reason`` is
    for the operator; clients are told nothing but that there is no answer.
    """

    def __init__(self, fingerprint: str, capabilities: Capabilities, reason: str) -> None:
        self.capabilities = capabilities
        self.reason = reason
        self._fingerprint = fingerprint

    def fingerprint(self, model: str) -> str:
        """Give the fingerprint that it would have."""
        return self._fingerprint

    async def complete(self, request: ChatRequest) -> Completion:
        """Raise ``UpstreamUnreachable``."""
        raise UpstreamUnreachable("the model is not available; its operator can see why")

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Raise ``UpstreamUnreachable``, also while it is being opened: what it can do is not known."""
        raise UpstreamUnreachable("the model is not available; its operator can see why")

    async def models(self) -> tuple[str, ...]:
        """Raise ``UpstreamUnreachable``."""
        raise UpstreamUnreachable("the model is not available; its operator can see why")

    async def aclose(self) -> None:
        """Nothing is open."""


class _Coming(Unavailable):
    """A backend that is being opened: whoever asks it waits, and nobody else does."""

    def __init__(
        self, fingerprint: str, capabilities: Capabilities, opened: Callable[[ChatRequest], Awaitable[Completion]]
    ) -> None:
        super().__init__(fingerprint, capabilities, "it is being loaded")
        self._opened = opened

    async def complete(self, request: ChatRequest) -> Completion:
        """Wait until it is open, then ask it."""
        return await self._opened(request)


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """The models as they stand at one moment: the default upstream's, and the backends by name."""

    default: Upstream
    backends: Mapping[str, Upstream]

    def serving(self, model: str) -> Upstream:
        """Give the backend of this name, else what the default upstream asks first for it.

        Raises ``UnknownModel`` where the default upstream knows its names and this is none of them.
        """
        return self.standing(model)[0]

    def standing(self, model: str) -> tuple[Upstream, ...]:
        """Give what could answer for this model, each a generator of its own, in the order in which to ask."""
        if (backend := self.backends.get(model)) is not None:
            return (backend,)
        default = self.default
        return cast(Choosing, default).generators(model) if _chooses(type(default)) else (default,)


@cache
def _chooses(kind: type[Upstream]) -> bool:
    """Say whether upstreams of this class are ``Choosing``, which takes Python longer than all else here."""
    return issubclass(kind, Choosing)


class Routing(Generic[P]):
    """Follows the backends that there should be; an ``Upstream`` itself, which goes by the model's name.

    Opening happens in a thread and disturbs nobody: until the new checkpoint of a known name is open, the old
    one answers. One that cannot be opened is ``Unavailable``, and so is one whose fingerprint is not the
    wanted one. What goes away is closed when the last request that holds it has ended.
    """

    def __init__(self, default: Upstream, opener: Opener[P]) -> None:
        self._opener = opener
        self._wanted: dict[str, Wanted[P]] = {}
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._fleet = Fleet(default, {})
        self._held: Counter[Fleet] = Counter()
        self._open: set[Upstream] = set()
        self._aside: set[asyncio.Task[None]] = set()

    @property
    def fleet(self) -> Fleet:
        """The models as they stand now. Hold it (``held``) before waiting for anything."""
        return self._fleet

    @property
    def capabilities(self) -> Capabilities:
        """The default upstream's."""
        return self._fleet.default.capabilities

    def fingerprint(self, model: str) -> str:
        """Ask whoever serves the model."""
        return self._fleet.serving(model).fingerprint(model)

    async def complete(self, request: ChatRequest) -> Completion:
        """Ask whoever serves the model now."""
        with self.held(self._fleet) as fleet:
            return await fleet.serving(request.model).complete(request)

    async def stream(self, request: ChatRequest, send: Send) -> Completion:
        """Ask whoever serves the model now."""
        with self.held(self._fleet) as fleet:
            return await streamed(fleet.serving(request.model), request, send)

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Ask whoever serves the model now. Raises ``InvalidInput`` where that makes no embeddings."""
        with self.held(self._fleet) as fleet:
            return await embedder(fleet.serving(request.model)).embed(request)

    async def models(self) -> tuple[str, ...]:
        """Name the default upstream's models, then the backends, open or not."""
        named = await self._fleet.default.models()
        return tuple(dict.fromkeys((*named, *self._fleet.backends)))

    def follow(self, wanted: Mapping[str, Wanted[P]]) -> None:
        """Begin to open what is new or changed, and let go of what is not wanted. Waits for nothing."""
        backends = {name: self._fleet.backends[name] for name in wanted if name in self._fleet.backends}
        changed = {name: one for name, one in wanted.items() if self._wanted.get(name) != one}
        for name, one in changed.items():
            if name not in backends or isinstance(backends[name], Unavailable):
                backends[name] = _Coming(
                    one.fingerprint, self._opener.capabilities(one.place), self._later(name, one)
                )
            self._opening[name] = self._start(self._bring(name, one))
        self._wanted = dict(wanted)
        self._put(backends)

    def standings(self) -> Iterator[ServerStanding]:
        """Say how each server does, the default upstream's first."""
        for upstream in (self._fleet.default, *self._fleet.backends.values()):
            if isinstance(upstream, Observed):
                yield from upstream.standings()

    def replace_default(self, default: Upstream) -> None:
        """Put another default upstream in the place of the one before, which is closed when nobody holds it."""
        self._open.add(self._fleet.default)
        self._fleet = replace(self._fleet, default=default)
        self._close_what_nobody_holds()

    def problems(self) -> dict[str, str]:
        """Say of each backend why it does not answer; an empty text where it does."""
        backends = self._fleet.backends.items()
        return {name: one.reason if isinstance(one, Unavailable) else "" for name, one in backends}

    async def settled(self) -> None:
        """Wait until nothing is being opened."""
        while self._opening:
            await asyncio.wait(set(self._opening.values()))

    @contextmanager
    def held(self, fleet: Fleet) -> Iterator[Fleet]:
        """Keep the models of a fleet open inside the block."""
        self._held[fleet] += 1
        try:
            yield fleet
        finally:
            self._held[fleet] -= 1
            if not self._held[fleet]:
                del self._held[fleet]
                self._close_what_nobody_holds()

    async def aclose(self) -> None:
        """Close everything, the default upstream included, when what is being opened is open."""
        self._wanted = {}
        self._put({})
        while pending := {*self._opening.values(), *self._aside}:
            await asyncio.wait(pending)
        await self._fleet.default.aclose()

    async def _bring(self, name: str, wanted: Wanted[P]) -> None:
        """Open a backend and put it in its place, unless something else is wanted there by now."""
        upstream = await self._opened(name, wanted)
        if self._opening.get(name) is asyncio.current_task():
            del self._opening[name]
        if self._wanted.get(name) != wanted:
            await _closed(upstream)
            return
        self._open.add(upstream)
        self._put({**self._fleet.backends, name: upstream})

    async def _opened(self, name: str, wanted: Wanted[P]) -> Upstream:
        try:
            upstream = await apart(self._opener.open, name, wanted.place)
            as_added = upstream.fingerprint(name) == wanted.fingerprint
        except LetheError as error:
            return self._unavailable(wanted, str(error))
        except Exception as error:  # whatever a library raises over a checkpoint
            return self._unavailable(wanted, f"it cannot be opened ({type(error).__name__})")
        if as_added:
            return upstream
        await _closed(upstream)
        return self._unavailable(wanted, "its files are not those that were added; add it again with --replace")

    def _later(self, name: str, wanted: Wanted[P]) -> Callable[[ChatRequest], Awaitable[Completion]]:
        async def ask(request: ChatRequest) -> Completion:
            """Wait for the opening; what is there then must be what was wanted."""
            if task := self._opening.get(name):
                await asyncio.wait({task})
            with self.held(self._fleet) as fleet:
                now = fleet.backends.get(name)
                if now is None or isinstance(now, Unavailable) or now.fingerprint(name) != wanted.fingerprint:
                    raise UpstreamUnreachable("the model is not available; its operator can see why")
                return await now.complete(request)

        return ask

    def _unavailable(self, wanted: Wanted[P], reason: str) -> Unavailable:
        return Unavailable(wanted.fingerprint, self._opener.capabilities(wanted.place), reason)

    def _put(self, backends: Mapping[str, Upstream]) -> None:
        self._fleet = replace(self._fleet, backends=dict(backends))
        self._close_what_nobody_holds()

    def _close_what_nobody_holds(self) -> None:
        fleets = (self._fleet, *self._held)
        held = {one for fleet in fleets for one in (fleet.default, *fleet.backends.values())}
        for upstream in self._open - held:
            self._open.discard(upstream)
            self._start(_closed(upstream))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)
        return task


async def _closed(upstream: Upstream) -> None:
    with suppress(Exception):  # nobody is left who could be told
        await upstream.aclose()


def generator_fingerprint(asked: Upstream, model: str, routes: Mapping[str, Upstream]) -> str:
    """Name everything that could generate: the asked model, and by topic id the backends in its place.

    Without routes it is the model's own fingerprint. A backend counts with its capabilities, since refinement
    goes by them.
    """
    own = asked.fingerprint(model)
    if not routes:
        return own
    parts = [
        [
            topic_id,
            backend.fingerprint(model),
            *backend.capabilities.parts,
        ]
        for topic_id, backend in sorted(routes.items())
    ]
    return hashlib.sha256(json.dumps(["routed", own, parts]).encode()).hexdigest()[:16]
