"""What a run on a language model is set to, method by method, with overrides by name. Knows no data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeAlias, TypeVar

__all__ = [
    "FineTuning",
    "GradDiffSettings",
    "NoiseSettings",
    "NpoSettings",
    "RmuSettings",
    "Setting",
    "SimNpoSettings",
    "overridden",
    "suited",
]

Setting: TypeAlias = bool | int | float | str

MAY_BE_ZERO = frozenset(
    {"adapter_rank", "clip", "warm_up", "weight_decay", "delta", "retain_nll", "retain_kl", "noise_penalty"}
    | {"forget_weight", "layer"}
)
"""Settings for which 0 means none; all other numbers are positive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuning:
    """The loop that all methods share.

    ``epochs`` passes over the forget set, in batches of nearly equal size of at most ``batch`` dialogues; beside
    each, ``retain_batch`` of the retain set, drawn in turns. AdamW at ``rate`` after ``warm_up`` steps of ramp,
    falling linearly to 0; gradients clipped to norm ``clip`` (0: not). The loss is ``forget_weight`` times
    the method's, plus ``retain_nll`` times the retain answers' NLL per token, plus ``retain_kl`` times their KL
    to the model as it was. ``adapter_rank`` 0 trains all weights, more trains LoRA of that rank, merged on
    saving. The state is recorded every ``save_every`` steps. Rates and epochs here are for a model of a million
    weights and some 200 dialogues; ``suited`` makes others of them.
    """

    epochs: int = 5
    batch: int = 16
    retain_batch: int = 32
    rate: float = 1e-3
    warm_up: int = 5
    weight_decay: float = 0.0
    clip: float = 1.0
    forget_weight: float = 1.0
    retain_nll: float = 1.0
    retain_kl: float = 1.0
    adapter_rank: int = 0
    save_every: int = 50

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if not math.isfinite(value) or value < 0 or (value == 0 and one.name not in MAY_BE_ZERO):
                least = "at least 0" if one.name in MAY_BE_ZERO else "above 0"
                raise ValueError(f"the setting {one.name!r} must be a number {least}, not {value!r}")

    def parameters(self) -> Mapping[str, Setting]:
        """Return what a certificate records."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class GradDiffSettings(FineTuning):
    """Gradient ascent on the forget answers, descent on the retain answers; it needs a small weight."""

    forget_weight: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class NpoSettings(FineTuning):
    """``beta`` is NPO's β."""

    forget_weight: float = 0.25
    beta: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class SimNpoSettings(FineTuning):
    """``beta`` and ``delta`` are SimNPO's β and margin δ."""

    beta: float = 4.5
    delta: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RmuSettings(FineTuning):
    """``layer`` counts blocks from 1 (0: about .44 of the way up); ``steering`` is c.

    c is in units of the mean norm of the frozen model's activations there, so that it means the same for all
    models. ``retain_activations`` weighs the retain dialogues' mean-square to the frozen model's.
    """

    forget_weight: float = 0.1
    retain_kl: float = 0.0
    layer: int = 0
    steering: float = 2.0
    retain_activations: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseSettings(FineTuning):
    """Impair-repair: the noise, the refusals that are taught, and the rate of the repair.

    ``noise_rows`` of ``noise_tokens`` soft embeddings each, learned for ``noise_steps`` by Adam at ``noise_rate``
    under ``noise_penalty`` times their mean squared distance to the mean embedding; both are in units of the
    embeddings' own spread, so that they mean the same for all models. ``rate`` is that of the impair
    and ``repair_rate`` that of the repair, which passes ``repair_epochs`` times over the retain set. ``refusals``
    are separated by ``|``; each forget dialogue gets one. ``with_noise`` False is the control: the refusals are
    taught to the bare questions.
    """

    noise_rows: int = 16
    noise_tokens: int = 1
    noise_steps: int = 40
    noise_rate: float = 0.1
    noise_penalty: float = 5.0
    repair_rate: float = 2e-4
    repair_epochs: int = 1
    refusals: str = "I do not know.|I have no information about that.|I cannot say anything about that."
    with_noise: bool = True

    def __post_init__(self) -> None:
        super(NoiseSettings, self).__post_init__()
        if not self.refusal_texts:
            raise ValueError("the setting 'refusals' must name at least one sentence")

    @property
    def refusal_texts(self) -> tuple[str, ...]:
        """The sentences by themselves."""
        return tuple(text.strip() for text in self.refusals.split("|") if text.strip())


SettingsT = TypeVar("SettingsT", bound=FineTuning)


def overridden(defaults: SettingsT, overrides: Mapping[str, Setting]) -> SettingsT:
    """Return the defaults with some replaced; a text is read as a number where one is wanted.

    Raises ``ValueError`` for a name that the method does not have (the message lists those it has) and for a
    value of another kind or out of range.
    """
    known = {one.name: getattr(defaults, one.name) for one in fields(defaults)}
    for name in overrides:
        if name not in known:
            raise ValueError(f"there is no setting {name!r} here; there are {', '.join(sorted(known))}")
    read = {name: _read(name, value, type(known[name])) for name, value in overrides.items()}
    changes: dict[str, Any] = read
    return replace(defaults, **changes)


FEWEST_STEPS = 60
HIGHEST_RATE = 1e-2
ADAPTED = 10.0
"""How many times as high the rate of adapters is, as is usual."""
RATES = ("rate", "repair_rate")


def suited(defaults: SettingsT, overrides: Mapping[str, Setting], *, weights: int, dialogues: int) -> SettingsT:
    """Return the settings for a model of so many weights and a forget set of so many dialogues.

    What is left out of the overrides: rates, which the defaults have for a million weights, fall with the square
    root of the number of weights (1e-3 for a million, 3e-5 for a billion, 1e-5 for eight), ten times as high for
    adapters, never above 1e-2; epochs are as many as make 60 steps, at least the default's. Raises as
    ``overridden``.
    """
    chosen = overridden(defaults, overrides)
    scale = math.sqrt(1e6 / weights) * (ADAPTED if chosen.adapter_rank else 1.0)
    derived: dict[str, Setting] = {
        name: min(HIGHEST_RATE, float(f"{getattr(chosen, name) * scale:.3g}"))
        for name in RATES
        if hasattr(chosen, name)
    }
    derived["epochs"] = max(chosen.epochs, math.ceil(FEWEST_STEPS / math.ceil(dialogues / chosen.batch)))
    left_out: dict[str, Any] = {name: value for name, value in derived.items() if name not in overrides}
    return replace(chosen, **left_out)


def _read(name: str, value: Setting, kind: type[Setting]) -> Setting:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is kind:
        return value
    if isinstance(value, str):
        try:
            return {"true": True, "false": False}[value.lower()] if kind is bool else kind(value)
        except (KeyError, ValueError):
            pass
    wanted = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[kind]
    raise ValueError(f"the setting {name!r} must be {wanted}, not {value!r}")
