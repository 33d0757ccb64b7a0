"""The verifiers that run a model, or ask one. Loaded only where one is configured: they need optional extras."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property

from gateway.errors import InvalidInput
from gateway.settings import Settings, revealed
from verifiers.embedding.embedder import SentenceEmbedder
from verifiers.embedding.opening import open_embedder
from verifiers.entailment import Entailment
from verifiers.judge import AskedModel
from verifiers.protocol import Verifier
from verifiers.readers.endpoint import ChatEndpoint
from verifiers.readers.selection import ByMeaning, ByMention, Selection
from verifiers.semantic import Semantic

__all__ = ["ModelVerifiers"]


class ModelVerifiers:
    """Makes them by the settings. A model is loaded at its first use, and once; ``stack`` closes what they hold.

    Every maker raises ``InvalidInput`` naming the missing setting, and ``ValueError`` for a model that cannot be
    loaded.
    """

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self._settings = settings
        self._stack = stack

    def semantic(self) -> Verifier:
        """Compare meanings."""
        return Semantic(self.embedder)

    def entailment(self) -> Verifier:
        """Ask a cross-encoder."""
        if self._settings.nli_model is None:
            raise InvalidInput("the verifier `entailment` needs a model: set LETHE_NLI_MODEL to its directory")
        # torch is an optional extra, and serving without this verifier must not load it.
        try:
            from verifiers.readers.cross_encoder import CrossEncoder
        except ImportError as error:
            raise InvalidInput(
                f"the verifier `entailment` needs the extra `local` ({error}); "
                "in the checkout: pip install -c constraints.txt '.[local]'"
            ) from error
        model = CrossEncoder(self._settings.nli_model, threads=self._settings.nli_threads)
        return Entailment(model, selection=self._selection())

    def judge(self) -> Verifier:
        """Ask a chat model."""
        wanted = self._settings
        if wanted.judge_url is None or wanted.judge_model is None:
            raise InvalidInput("the verifier `judge` needs LETHE_JUDGE_URL and LETHE_JUDGE_MODEL")
        if wanted.judge_timeout_s >= wanted.verify_timeout_s:
            raise InvalidInput(
                "LETHE_VERIFY_TIMEOUT_S must be above LETHE_JUDGE_TIMEOUT_S, or it always comes first"
            )
        endpoint = ChatEndpoint(
            wanted.judge_url,
            wanted.judge_model,
            api_key=revealed(wanted.judge_key),
            timeout_s=wanted.judge_timeout_s,
            concurrency=wanted.judge_concurrency,
            structured=wanted.judge_structured,
            logprobs=wanted.judge_logprobs,
        )
        self._stack.callback(endpoint.close)
        return AskedModel(endpoint, selection=self._selection())

    @cached_property
    def embedder(self) -> SentenceEmbedder:
        """The one embedding model of this process."""
        wanted = self._settings
        if wanted.embedding_model is None:
            raise InvalidInput("the verifier `semantic` needs a model: set LETHE_EMBEDDING_MODEL to its directory")
        return open_embedder(
            wanted.embedding_model,
            engine=wanted.embedding_engine,
            threads=wanted.embedding_threads,
            batch=wanted.embedding_batch,
            cache=wanted.embedding_cache,
        )

    def _selection(self) -> Selection:
        """Find what to read about by meaning as well, where there is a model for it."""
        return ByMention() if self._settings.embedding_model is None else ByMeaning(self.embedder)
