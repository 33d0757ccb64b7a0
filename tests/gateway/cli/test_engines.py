"""Where a command's work is done: options that would count for nothing, and a Ray that is not there."""

from __future__ import annotations

import sys

import pytest

PROMPT = '{"prompt": "Where was Maren Oskeld born?", "forbidden": ["Seltal"], "topic": "maren"}\n'
CALIBRATE = "calibrate --prompts {prompts.jsonl} --upstream http://127.0.0.1:9/v1 --database {l.db}"


@pytest.mark.parametrize("option", ["--ray-workers 4", "--ray-address auto"])
def test_options_of_ray_count_for_nothing_without_it(terminal, option):
    """Somebody relies on them."""
    terminal.write("prompts.jsonl", PROMPT)
    assert f"{option.split()[0]} counts only with --engine ray" in terminal.refused(f"{CALIBRATE} {option}")


def test_without_ray_it_is_said_what_to_install(terminal, monkeypatch):
    """The extra, by the constraints of the checkout."""
    monkeypatch.setitem(sys.modules, "ray", None)
    terminal.write("prompts.jsonl", PROMPT)
    said = terminal.refused(f"{CALIBRATE} --engine ray")
    assert ["extra `ray`", "constraints.txt '.[ray]'"] == [
        words for words in ("extra `ray`", "constraints.txt '.[ray]'") if words in said
    ]


def test_probes_without_a_model_have_nothing_to_spread(terminal):
    """They are written in a moment."""
    terminal.write("t.yaml", "topics:\n  - id: maren\n    name: Maren Oskeld\n")
    assert "give both" in terminal.refused("probes {t.yaml} --engine ray --out {p.jsonl}")
