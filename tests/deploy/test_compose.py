"""The deployment's files agree with the gateway: its settings, its metrics, its folders."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from gateway.settings import Settings
from gateway.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose"
DOCKERFILE = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
SETTINGS = {f"LETHE_{name.upper()}" for name in Settings.model_fields}
SAMPLES = re.compile(r"\blethe_\w+")


def services():
    """Read the compose file's services."""
    return yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]


def exported():
    """Name every sample that the gateway exports."""
    names = set()
    for line in Metrics().exposition().decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            names |= {name, f"{name}_total"} if kind == "counter" else {name}
            names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else set()
    return names


def test_the_compose_file_sets_only_settings_that_there_are():
    """A misspelt one would leave its default in force."""
    given = {name for name in services()["lethe"]["environment"] if name.startswith("LETHE_")}
    assert set() == given - SETTINGS


def test_the_image_sets_only_settings_that_there_are():
    """As above."""
    assert set() == set(re.findall(r"\b(LETHE_\w+)=", DOCKERFILE)) - SETTINGS


def test_the_gateway_runs_without_rights_it_does_not_need():
    """Not as root, on a read-only root, with no capabilities."""
    lethe = services()["lethe"]
    assert (True, ["ALL"]) == (lethe["read_only"], lethe["cap_drop"])
    assert "USER 10001:10001" in DOCKERFILE


def test_nobody_can_go_around_the_gateway():
    """The model's network is shared with the gateway alone, and the model publishes no port."""
    on_model = {name for name, service in services().items() if "model" in service.get("networks", ())}
    assert {"lethe", "vllm-gpu", "vllm-cpu"} == on_model
    assert [] == [name for name in on_model - {"lethe"} if "ports" in services()[name]]


def test_no_port_is_published_beyond_the_machine():
    """What faces the world is for the operator to put in front."""
    published = [port for service in services().values() for port in service.get("ports", ())]
    assert [] == [port for port in published if not port.startswith("127.0.0.1:")]


def test_every_secret_must_be_given():
    """None has a default."""
    said = (COMPOSE / "compose.yaml").read_text()
    secrets = re.findall(r"\$\{(\w*(?:KEY|PASSWORD))([^}]*)\}", said)
    assert secrets
    assert [] == [name for name, rest in secrets if not rest.startswith(":?")]


@pytest.mark.parametrize("file", ["prometheus/alerts.yml", "grafana/dashboards/lethe.json"])
def test_alerts_and_dashboards_speak_of_metrics_that_there_are(file):
    """A renamed metric would never alert."""
    text = (COMPOSE / file).read_text()
    content = json.loads(text) if file.endswith("json") else yaml.safe_load(text)
    asked = set(SAMPLES.findall(" ".join(expressions(content))))
    assert asked
    assert set() == asked - exported()


def expressions(content):
    """Yield every expression within."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key == "expr":
                yield value
            else:
                yield from expressions(value)
    if isinstance(content, list):
        for value in content:
            yield from expressions(value)


def test_every_alert_has_a_page_in_the_runbook():
    """Whoever is woken finds what to do."""
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    groups = yaml.safe_load((COMPOSE / "prometheus" / "alerts.yml").read_text())["groups"]
    alerts = [rule["alert"] for group in groups for rule in group["rules"]]
    assert [] == [alert for alert in alerts if f"### {alert}" not in runbook]


def test_the_image_copies_every_package_and_nothing_else_of_ours():
    """A package that is added must be in the image, and in what is sent to the builder."""
    copied = set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.M))
    packaged = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    allowed = (ROOT / ".dockerignore").read_text()
    assert packaged == copied
    assert [] == [name for name in packaged if f"!{name}\n" not in allowed]
