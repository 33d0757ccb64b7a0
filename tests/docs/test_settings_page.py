"""The settings page, the environment example and the schema are made from the settings object."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from gateway.settings import Settings
from gateway.settings_page import configuration_schema, environment_example, settings_page
from gateway.settings_reading import check_configuration

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("path", "make"),
    [
        ("docs/settings.md", settings_page),
        ("examples/lethe.env", environment_example),
        ("examples/lethe.schema.json", configuration_schema),
    ],
)
def test_the_page_is_up_to_date(path, make):
    """`make docs` writes it again."""
    assert make() == (ROOT / path).read_text(encoding="utf-8")


def test_every_setting_says_what_it_means():
    """No knob without a description that ends like a sentence."""
    for name, field in Settings.model_fields.items():
        assert (field.description or "").endswith("."), name


@pytest.fixture
def example(monkeypatch) -> Path:
    """The example file, with the keys that it asks for in the environment."""
    for name in ("CLIENTS_KEY", "ADMIN_KEY", "METRICS_KEY"):
        monkeypatch.setenv(name, "k")
    return ROOT / "examples" / "lethe.yaml"


def test_the_example_configuration_is_sound(example):
    """It is what people copy."""
    assert ["vllm-1", "vllm-2", "hosted"] == [one.name for one in check_configuration(example).upstreams]


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"rounds": "${ROUNDS}"}, True),
        ({"strictest_threshold": "${THRESHOLD}"}, True),
        ({"api_key": "hunter2"}, False),
        ({"roundz": 3}, False),
        ({"rounds": 0}, False),
        ({"upstreams": [{"name": "a"}]}, False),
    ],
)
def test_the_schema_takes_what_the_gateway_takes(example, change, fits):
    """Editors must not mark what is right, nor pass what is wrong."""
    schema = json.loads((ROOT / "examples" / "lethe.schema.json").read_text(encoding="utf-8"))
    said = {**yaml.safe_load(example.read_text(encoding="utf-8")), **change}
    assert fits == jsonschema_rs.validator_for(schema).is_valid(said)
