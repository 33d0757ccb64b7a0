"""Where the public model of a run lies, which may have been moved since. Knows no model."""

from __future__ import annotations

from pathlib import Path

from unlearners.recipe import Recipe

__all__ = ["found_backbone"]


def found_backbone(recipe: Recipe, given: Path | None) -> Path:
    """Return where the public model lies: ``given``, else where it was trained on. Raises ``ValueError`` if not.

    Whether it is the same model still, the caller finds out.
    """
    if recipe.data.get("backbone") is None:
        raise ValueError("the directory does not hold what was trained on a chat model")
    backbone = Path(str(recipe.data["backbone"])) if given is None else given
    if not (backbone / "config.json").is_file():
        where = "where the backbone was when it was trained on" if given is None else "named by --backbone"
        raise ValueError(f"there is no model at {backbone}, {where}: say where it lies now with --backbone")
    return backbone
