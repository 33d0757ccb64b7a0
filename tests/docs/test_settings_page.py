"""The settings page and the environment example are what the settings object says."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings import Settings
from gateway.settings_page import environment_example, settings_page

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("path", "make"), [("docs/settings.md", settings_page), ("examples/lethe.env", environment_example)]
)
def test_the_page_is_up_to_date(path, make):
    """`make docs` writes it again."""
    assert make() == (ROOT / path).read_text(encoding="utf-8")


def test_every_setting_says_what_it_means():
    """No knob without a description that ends like a sentence."""
    for name, field in Settings.model_fields.items():
        assert (field.description or "").endswith("."), name
