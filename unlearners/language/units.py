"""How a run on what units said was read: its backbone, and whether units were named. Knows no method."""

from __future__ import annotations

from pathlib import Path

from unlearners.backbone import found_backbone
from unlearners.language.checkpoint import fingerprint_of
from unlearners.language.head import read_units
from unlearners.protocol import Refused
from unlearners.recipe import EACH, NAMED, UNITS, Recipe, Value

__all__ = ["read_how", "same_backbone"]


def read_how(backbone: Path, data: Path) -> dict[str, Value]:
    """Return what a recipe keeps of the public model and the data. Raises ``ValueError`` as reading does."""
    alone = all(one.unit == one.dialogue.id for one in read_units(data))
    return {
        "backbone": str(backbone.absolute()),
        "fingerprint": fingerprint_of(backbone),
        UNITS: EACH if alone else NAMED,
    }


def same_backbone(recipe: Recipe, given: Path | None) -> Path:
    """Return where the public model lies. Raises ``Refused`` where that is another than the one trained on."""
    backbone = found_backbone(recipe, given)
    if fingerprint_of(backbone) != recipe.data["fingerprint"]:
        raise Refused("the backbone is the one that the head was trained on", f"{backbone} is another")
    return backbone
