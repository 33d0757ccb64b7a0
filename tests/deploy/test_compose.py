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
CHART_FILES = ROOT / "deploy" / "helm" / "lethe" / "files"
RULES = sorted((CHART_FILES / "rules").glob("*.yml"))
SETTINGS = {f"LETHE_{name.upper()}" for name in Settings.model_fields}
SAMPLES = re.compile(r"\blethe_\w+")


def services(file="compose.yaml"):
    """Read a compose file's services."""
    return yaml.safe_load((COMPOSE / file).read_text())["services"]


def exported():
    """Name every sample that the gateway exports."""
    names = set()
    for line in Metrics().exposition().decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            names |= {name, f"{name}_total"} if kind == "counter" else {name}
            names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else set()
    return names


@pytest.mark.parametrize("file", ["compose.yaml", "postgres.yaml"])
def test_a_compose_file_sets_only_settings_that_there_are(file):
    """A misspelt one would stop the gateway."""
    given = {name for name in services(file)["lethe"]["environment"] if name.startswith("LETHE_")}
    assert given
    assert set() == given - SETTINGS


def test_the_gateway_runs_without_rights_it_does_not_need():
    """Not as root, on a read-only root, with no capabilities."""
    lethe = services()["lethe"]
    assert (True, ["ALL"]) == (lethe["read_only"], lethe["cap_drop"])


def test_nobody_can_go_around_the_gateway():
    """The model's network is shared with the gateway alone, and the model publishes no port."""
    on_model = {name for name, service in services().items() if "model" in service.get("networks", ())}
    assert {"lethe", "vllm-gpu", "vllm-cpu"} == on_model
    assert [] == [name for name in on_model - {"lethe"} if "ports" in services()[name]]


def test_nobody_else_reaches_the_database():
    """Its network is shared with the gateway and its migration alone, and it publishes no port."""
    server = services("postgres.yaml")
    assert {name: ["data"] for name in ("lethe", "migrate", "postgres")} == {
        name: each["networks"] for name, each in server.items()
    }
    assert "ports" not in server["postgres"]


def test_no_port_is_published_beyond_the_machine():
    """What faces the world is for the operator to put in front."""
    published = [port for service in services().values() for port in service.get("ports", ())]
    assert [] == [port for port in published if not port.startswith("127.0.0.1:")]


def test_every_secret_must_be_given():
    """None has a default."""
    said = "".join(file.read_text() for file in COMPOSE.glob("*.yaml"))
    secrets = re.findall(r"\$\{(\w*(?:KEY|PASSWORD))([^}]*)\}", said)
    assert secrets
    assert [] == [name for name, rest in secrets if not rest.startswith(":?")]


@pytest.mark.parametrize("file", [*RULES, CHART_FILES / "dashboards" / "lethe.json"], ids=lambda file: file.name)
def test_alerts_and_dashboards_speak_of_metrics_that_there_are(file):
    """A renamed metric would never alert."""
    text = file.read_text()
    content = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
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
    groups = [group for file in RULES for group in yaml.safe_load(file.read_text())["groups"]]
    alerts = [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]
    assert alerts
    assert [] == [alert for alert in alerts if f"### {alert}" not in runbook]


@pytest.mark.parametrize("file", sorted(COMPOSE.glob("*.yaml")), ids=lambda file: file.name)
def test_a_compose_file_follows_the_specification(linter, file):
    """Read by a strict parser of the Compose specification, with every variable given."""
    assert list(yaml.safe_load(file.read_text())["services"]) == linter("parse_compose", file=str(file))


@pytest.mark.parametrize("files", [["compose.yaml"], ["compose.yaml", "postgres.yaml"]], ids=["file", "server"])
@pytest.mark.parametrize("profile", ["gpu", "cpu"])
def test_docker_reads_every_variant(command, profile, files):
    """`docker compose config`, where Docker has its compose plugin."""
    if "compose" not in command("docker", "--help").stdout:
        pytest.skip("this Docker has no compose plugin")
    given = dict.fromkeys(re.findall(r"^(\w+)=$", (COMPOSE / "example.env").read_text(), re.M), "a-secret")
    named = [word for file in files for word in ("--file", COMPOSE / file)]
    words = ("compose", *named, "--env-file", COMPOSE / "example.env", "--profile", profile, "config")
    done = command("docker", *words, env=given)
    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize("profile", ["gpu", "cpu"])
def test_podman_compose_joins_the_files(command, profile):
    """Where there is a podman: postgres.yaml adds to the gateway's networks and settings, and takes none away."""
    command("podman", "--version")
    given = dict.fromkeys(re.findall(r"^(\w+)=$", (COMPOSE / "example.env").read_text(), re.M), "a-secret")
    files = [word for file in ("compose.yaml", "postgres.yaml") for word in ("--file", COMPOSE / file)]
    words = (*files, "--env-file", COMPOSE / "example.env", "--profile", profile, "config")
    done = command("podman-compose", *words, env=given)
    assert 0 == done.returncode, done.stderr
    joined = yaml.safe_load(done.stdout)["services"]
    assert {f"vllm-{profile}"} == {name for name in joined if name.startswith("vllm")}
    assert ["front", "model", "data"] == joined["lethe"]["networks"]
    assert {"LETHE_UPSTREAM_URL", "PGPASSWORD", "LETHE_API_KEY"} <= set(joined["lethe"]["environment"])


def test_the_collector_uses_nothing_that_it_does_not_define():
    """Each part that a pipeline names is there, and each part that is there is used."""
    collector = yaml.safe_load((COMPOSE / "otel" / "collector.yaml").read_text())
    defined = {part for kind in ("receivers", "processors", "exporters", "connectors") for part in collector[kind]}
    pipelines = collector["service"]["pipelines"].values()
    assert defined == {part for pipeline in pipelines for parts in pipeline.values() for part in parts}
    assert list(collector["extensions"]) == collector["service"]["extensions"]


def test_what_is_mounted_from_here_is_here():
    """A mistyped path would be made an empty folder by the engine."""
    mounted = [
        volume.split(":")[0]
        for file in COMPOSE.glob("*.yaml")
        for service in yaml.safe_load(file.read_text())["services"].values()
        for volume in service.get("volumes", ())
        if volume.startswith(".")
    ]
    assert mounted
    assert [] == [path for path in mounted if not (COMPOSE / path).exists()]
