"""The verifiers as the settings want them: opened once, closed in the end. Knows no topics and no policies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final

from gateway.errors import InvalidInput
from gateway.guard.policy import Panel
from gateway.settings import Settings, VerifierName
from verifiers.claims import Claims
from verifiers.conversation import Conversation
from verifiers.facts import Facts
from verifiers.learned import LearnedModel, read_learned
from verifiers.lexical import Lexical
from verifiers.private.key import PrivateKey, key_from_file
from verifiers.protocol import Verifier
from verifiers.verbatim import Verbatim

if TYPE_CHECKING:
    from gateway.model_verifiers import ModelVerifiers

__all__ = ["open_panel"]


@contextmanager
def open_panel(settings: Settings) -> Iterator[Panel]:
    """Build the configured verifiers, and close in the end what they hold.

    Raises ``InvalidInput`` for a verifier whose model is missing, cannot be loaded, or does not fit,
    and for a file that holds no key.
    """
    with ExitStack() as stack:
        try:
            panel = _Builder(settings, stack).panel()
        except ValueError as error:
            raise InvalidInput(f"the verifiers cannot be made ready: {error}") from error
        yield panel


class _Builder:
    """Makes each verifier by its name."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self._settings = settings
        self._stack = stack

    def panel(self) -> Panel:
        """Make all of them. Whoever judges everything is not asked again where a topic is touched."""
        wanted = self._settings
        screened = tuple(name for name in wanted.screened_verifiers if name not in wanted.verifiers)
        return Panel(
            cheap=self._named(wanted.verifiers),
            screened=self._named(screened),
            doubted=self._named(wanted.doubted_verifiers),
            doubt=wanted.doubt,
            monitored=self._named(wanted.monitored_verifiers),
            learned=self._learned(),
            key=self._key(),
        )

    @cached_property
    def _of_models(self) -> ModelVerifiers:
        # Optional extras, which a gateway without such verifiers need not have.
        try:
            from gateway.model_verifiers import ModelVerifiers
        except ImportError as error:
            raise InvalidInput(
                f"verifiers that run or ask a model need the extra `semantic` ({error}): "
                "in the checkout: pip install -c constraints.txt '.[semantic]'"
            ) from error
        return ModelVerifiers(self._settings, self._stack)

    def _named(self, names: tuple[VerifierName, ...]) -> tuple[Verifier, ...]:
        return tuple(self._verifier(name) for name in names)

    def _verifier(self, name: VerifierName) -> Verifier:
        match name:
            case "semantic":
                return self._of_models.semantic()
            case "entailment":
                return self._of_models.entailment()
            case "judge":
                return self._of_models.judge()
            case cheap:
                return _CHEAP[cheap]()

    def _key(self) -> PrivateKey | None:
        return None if self._settings.private_key_file is None else key_from_file(self._settings.private_key_file)

    def _learned(self) -> LearnedModel | None:
        return None if self._settings.learned_model is None else read_learned(self._settings.learned_model)


_CHEAP: Final[Mapping[VerifierName, Callable[[], Verifier]]] = {
    "lexical": Lexical,
    "facts": Facts,
    "verbatim": Verbatim,
    "claims": Claims,
    "conversation": Conversation,
}
