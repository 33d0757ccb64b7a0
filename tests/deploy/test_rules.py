"""Alert rules are what Prometheus takes, ring when they should, and are what docs/slo.md says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "helm" / "lethe" / "files" / "rules"
SLO = (ROOT / "docs" / "slo.md").read_text()


def test_prometheus_takes_the_configuration(command):
    """By its own tool."""
    done = command(
        "promtool",
        "check",
        "config",
        "--syntax-only",
        ROOT / "deploy" / "compose" / "prometheus" / "prometheus.yml",
    )
    assert 0 == done.returncode, done.stderr


def test_prometheus_takes_the_rules(command):
    """By its own tool, and none twice."""
    done = command("promtool", "check", "rules", "--lint=all", "--lint-fatal", *sorted(RULES.glob("*.yml")))
    assert 0 == done.returncode, done.stdout + done.stderr


def test_the_alerts_ring_when_they_should(command):
    """Series that were written by hand, one test for each objective."""
    done = command("promtool", "test", "rules", Path(__file__).with_name("rules_test.yml"))
    assert 0 == done.returncode, done.stdout + done.stderr


def alerts():
    """Read the burn-rate alerts."""
    groups = yaml.safe_load((RULES / "slo.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


@pytest.mark.parametrize(
    ("objective", "name"), re.findall(r"^\| ([\d.]+) % .*\| `(\w+)Burns", SLO, re.M), ids=lambda word: word
)
def test_the_page_and_the_rules_have_the_same_objectives(objective, name):
    """The budget in the expressions is what the page's percentage leaves."""
    for kind in ("Fast", "Slowly"):
        budgets = re.findall(r"> \S+ \* (\S+?)[) ]", alerts()[f"{name}Burns{kind}"]["expr"] + " ")
        assert [round(1 - float(objective) / 100, 6)] == sorted({float(each) for each in budgets})
        assert f"{objective} %" in alerts()[f"{name}Burns{kind}"]["annotations"]["summary"]


def test_every_objective_is_on_the_page():
    """None is alerted on that nobody agreed to."""
    said = re.findall(r"`(\w+)Burns(?:Fast|…)", SLO)
    assert {name.split("Burns")[0] for name in alerts()} == set(said)
