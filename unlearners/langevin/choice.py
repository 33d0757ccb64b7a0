"""Langevin settings from the few that somebody names: noise by bisection, else defaults. Knows no data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from unlearners.langevin.accounting import Infeasible, sigma_for
from unlearners.langevin.settings import LangevinSettings
from unlearners.losses import ConvexLoss
from unlearners.protocol import Refused
from unlearners.recipe import Value, settings_of

__all__ = ["chosen_settings"]

_BY_BISECTION = ("epochs", "requests")


def chosen_settings(given: Mapping[str, Value], rows: int, loss: ConvexLoss) -> LangevinSettings:
    """Complete the settings for ``rows`` rows.

    Left out: epsilon 1, delta 1/n, batches of 128 (of all rows where there are fewer), m = 0.01, 50 epochs of
    training. Instead of ``sigma``, ``epochs`` K asks for the least noise at which each of ``requests`` (1)
    single-row requests takes K epochs; K is 5 where neither is given. Raises ``ValueError`` and ``Refused``.
    """
    own = {name: value for name, value in given.items() if name not in _BY_BISECTION}
    defaults: dict[str, Value] = {
        "epsilon": 1.0,
        "delta": 1 / max(rows, 2),
        "batch": min(128, rows),
        "convexity": 0.01,
        "training_epochs": 50,
        "sigma": 1.0,
    }
    settings = settings_of(LangevinSettings, own, besides=_BY_BISECTION, **defaults)
    if "sigma" in own:
        if both := [name for name in _BY_BISECTION if name in given]:
            raise ValueError(f"give sigma, or {both[0]!r} to have it found, not both")
        return settings
    return replace(settings, sigma=_sigma(settings, rows, loss, given))


def _sigma(settings: LangevinSettings, rows: int, loss: ConvexLoss, given: Mapping[str, Value]) -> float:
    epochs, requests = given.get("epochs", 5), given.get("requests", 1)
    if type(epochs) is not int or type(requests) is not int:
        raise ValueError("'epochs' and 'requests' are whole numbers")
    try:
        return sigma_for(
            settings.process(rows, loss),
            settings.epsilon,
            settings.delta,
            epochs,
            adjacency=settings.adjacency,
            bound=settings.bound,
            requests=requests,
            training_epochs=settings.training_epochs,
        )
    except Infeasible as error:
        raise Refused("some noise reaches the target", str(error)) from None
