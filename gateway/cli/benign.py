"""Benign prompts of an operator's own, marked as such for the prompts file. Knows no topics."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.errors import InvalidInput

__all__ = ["benign_lines"]

_COPIED = ("id", "prompt", "messages", "parameters", "unit")


def benign_lines(path: Path) -> list[str]:
    """Read prompts, one a line as plain text or as JSON objects, and write them as benign prompts' lines.

    Of an object the question, its parameters, id, unit and groups are taken. Raises ``InvalidInput``.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read the benign prompts {path} as UTF-8 text: {error}") from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise InvalidInput(f"{path} holds no prompt")
    return [_line(line, f"{path}, line {number}", f"benign-{number:04d}") for number, line in lines]


def _line(line: str, where: str, default_id: str) -> str:
    if line.lstrip().startswith("{"):
        try:
            given = json.loads(line)
        except json.JSONDecodeError as error:
            raise InvalidInput(f"{where}: not JSON ({error.msg})") from None
        prompt = {key: given[key] for key in _COPIED if key in given}
        groups = given.get("groups")
    else:
        prompt, groups = {"prompt": line.strip()}, None
    marked = {"family": "benign", **(groups if isinstance(groups, dict) else {})}
    return json.dumps({"id": default_id, **prompt, "groups": marked, "benign": True}, ensure_ascii=False) + "\n"
