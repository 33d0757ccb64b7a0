"""The chart: linted and rendered by Helm's own SDK, each manifest held against Kubernetes' schemas."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
CHART = str(ROOT / "deploy" / "helm" / "lethe")
HOSTED = {"upstream": {"url": "https://models.example.com/v1"}, "database": {"url": "postgresql://lethe@db/lethe"}}
EXAMPLES = {
    file.stem.removeprefix("helm-"): yaml.safe_load(file.read_text())
    for file in sorted((ROOT / "examples" / "deployments").glob("helm-*.yaml"))
}
CASES = {"hosted": HOSTED, **EXAMPLES}
VERSIONS = ["1.27", "1.31", "1.34"]
CUSTOM = {"ServiceMonitor", "PrometheusRule"}  # of the Prometheus operator, whose schemas no registry has


@pytest.fixture
def render(linter):
    """Render the chart with values into its manifests by kind and name."""

    def rendered(values, **more):
        found = linter("render_chart", chart=CHART, values=values, **more)["manifests"]
        return {(each["kind"], each["metadata"]["name"]): each for each in found}

    return rendered


def pods(manifests):
    """Yield every pod's specification."""
    for manifest in manifests.values():
        if manifest["kind"] in {"Deployment", "StatefulSet", "Job"}:
            yield manifest["metadata"]["name"], manifest["spec"]["template"]["spec"]


def container(manifests):
    """Find the gateway's container."""
    return manifests["Deployment", "lethe"]["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("case", CASES)
def test_helm_has_nothing_to_warn_of(linter, case):
    """`helm lint --strict`, but for an icon."""
    found = linter("lint_chart", chart=CHART, values=CASES[case], kube="v1.31.0")
    assert [] == [each for each in found if each[0] > 1]


@pytest.mark.parametrize("kube", VERSIONS)
@pytest.mark.parametrize("case", CASES)
def test_every_manifest_is_one_that_kubernetes_takes(linter, render, case, kube):
    """Strictly: nothing unknown, nothing missing."""
    for (kind, name), manifest in render(CASES[case]).items():
        if kind not in CUSTOM:
            assert (name, "") == (name, linter("check_manifest", manifest=manifest, kube=kube))


@pytest.mark.parametrize("case", CASES)
def test_only_settings_that_there_are_are_set(render, case):
    """A misspelt one would stop the gateway."""
    names = {each["name"] for each in container(render(CASES[case]))["env"] if each["name"].startswith("LETHE_")}
    assert set() == names - {f"LETHE_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("case", CASES)
def test_no_pod_is_told_of_services_by_variables(render, case):
    """A Service named lethe would give LETHE_PORT=tcp://…, and the gateway would not start."""
    assert {False} == {pod["enableServiceLinks"] for _, pod in pods(render(CASES[case]))}


@pytest.mark.parametrize("case", CASES)
def test_no_secret_is_in_a_manifest(render, case):
    """Keys and passwords come from a Secret that the chart does not make."""
    manifests = render(CASES[case])
    assert [] == [name for kind, name in manifests if kind == "Secret"]
    for name, pod in pods(manifests):
        said = [e for c in pod["containers"] for e in c.get("env", ()) if e["name"].endswith(("KEY", "PASSWORD"))]
        assert (name, []) == (name, [each for each in said if "secretKeyRef" not in each.get("valueFrom", {})])


@pytest.mark.parametrize("case", CASES)
def test_every_container_is_without_rights_it_does_not_need(render, case):
    """No root but vLLM's own image, no capability, no service account, and a root that cannot be written."""
    for name, pod in pods(render(CASES[case])):
        assert False is pod["automountServiceAccountToken"]
        for each in pod["containers"]:
            rights = each["securityContext"]
            assert (False, ["ALL"]) == (rights["allowPrivilegeEscalation"], rights["capabilities"]["drop"])
            if not name.endswith("-vllm"):
                assert (True, True) == (pod["securityContext"]["runAsNonRoot"], rights["readOnlyRootFilesystem"])


@pytest.mark.parametrize("case", CASES)
def test_every_selector_finds_its_pods_and_no_others(render, case):
    """Services, budgets and policies speak of labels that exactly one kind of pod has."""
    manifests = render(CASES[case])
    labels = {
        name: manifests[kind, name]["spec"]["template"]["metadata"]["labels"]
        for kind, name in manifests
        if kind in {"Deployment", "StatefulSet", "Job"}
    }
    for (kind, name), manifest in manifests.items():
        wanted = manifest.get("spec", {}).get("podSelector", manifest.get("spec", {}).get("selector"))
        if kind in {"Service", "PodDisruptionBudget", "NetworkPolicy"}:
            wanted = wanted.get("matchLabels", wanted)
            assert 1 == len([pod for pod, has in labels.items() if wanted.items() <= has.items()]), (kind, name)


def test_the_schema_is_migrated_before_a_new_gateway_starts(render):
    """As a hook, which needs nothing that the release brings."""
    job = render(HOSTED)["Job", "lethe-migration"]
    assert "pre-install,pre-upgrade" == job["metadata"]["annotations"]["helm.sh/hook"]
    assert ["migrate"] == job["spec"]["template"]["spec"]["containers"][0]["args"]
    bundled = render({**HOSTED, "database": {"kind": "bundled"}})["Job", "lethe-migration"]
    assert "pre-upgrade" == bundled["metadata"]["annotations"]["helm.sh/hook"]


def test_scaling_is_by_requests_in_progress_and_by_cpu(render):
    """The number of replicas is then the autoscaler's alone."""
    manifests = render({**HOSTED, "autoscaling": {"enabled": True, "inProgress": 48}})
    by_requests, by_cpu = manifests["HorizontalPodAutoscaler", "lethe"]["spec"]["metrics"]
    assert ("lethe_answers_in_progress", "48") == (
        by_requests["pods"]["metric"]["name"],
        by_requests["pods"]["target"]["averageValue"],
    )
    assert 70 == by_cpu["resource"]["target"]["averageUtilization"]
    assert "replicas" not in manifests["Deployment", "lethe"]["spec"]


def test_settings_are_written_as_the_gateway_reads_them(render):
    """Lists as JSON, numbers and switches as text."""
    given = {"rounds": 3, "verifiers": ["lexical"], "disclose": False, "fallback": "refuse"}
    said = {e["name"]: e.get("value") for e in container(render({**HOSTED, "settings": given}))["env"]}
    assert ("3", '["lexical"]', "false", "refuse") == tuple(said[f"LETHE_{name.upper()}"] for name in given)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"database": HOSTED["database"]}, "upstream.url"),
        ({"upstream": HOSTED["upstream"]}, "database.url"),
        ({**HOSTED, "database": {"kind": "sqlite"}}, "one SQLite file serves one replica"),
        ({**HOSTED, "settings": {"admin_key": "x"}}, "settings.admin_key"),
        ({"vllm": {"enabled": True}, "database": HOSTED["database"]}, "vllm.model"),
    ],
)
def test_what_cannot_run_is_not_rendered(linter, values, complaint):
    """The message says what to set."""
    with pytest.raises(RuntimeError, match=complaint):
        linter("render_chart", chart=CHART, values=values)


@pytest.mark.parametrize(
    "values",
    [
        {"replica": 3},
        {"database": {"kind": "mysql"}},
        {"database": {"url": "postgresql://lethe:secret@db/lethe"}},
        {"image": {"digest": "latest"}},
        {"upstream": {"url": "models.example.com"}},
    ],
)
def test_the_schema_refuses_what_is_misspelt(linter, values):
    """Also a password where it would be seen."""
    assert "" != linter("refuse_values", chart=CHART, values=values)


def test_every_value_is_described():
    """And there is no description of a value that is not there."""
    described = yaml.safe_load((Path(CHART) / "values.schema.json").read_text())
    values = yaml.safe_load((Path(CHART) / "values.yaml").read_text())
    assert set(values) == set(described["properties"]) - {"global"}
    for name, value in values.items():
        inner = described["properties"][name].get("properties")
        if inner is not None:
            assert (name, set(value)) == (name, set(inner))


def test_rules_and_dashboard_are_those_that_the_gateway_ships(render):
    """The same files as the compose file mounts."""
    on = dict.fromkeys(["serviceMonitor", "rules", "dashboard"], True)
    manifests = render({**HOSTED, "monitoring": {**on, "labels": {"release": "prometheus"}}})
    files = sorted((Path(CHART) / "files" / "rules").glob("*.yml"))
    assert [group for file in files for group in yaml.safe_load(file.read_text())["groups"]] == manifests[
        "PrometheusRule", "lethe"
    ]["spec"]["groups"]
    dashboard = (Path(CHART) / "files" / "dashboards" / "lethe.json").read_text()
    assert dashboard == manifests["ConfigMap", "lethe-dashboard"]["data"]["lethe.json"]
    assert "prometheus" == manifests["ServiceMonitor", "lethe"]["metadata"]["labels"]["release"]


def test_only_the_gateway_reaches_the_model_and_the_database(render):
    """Nobody goes around it."""
    values = {"vllm": {"enabled": True, "model": "m"}, "database": {"kind": "bundled"}}
    manifests = render(values)
    for name, allowed in (("lethe-vllm", {"gateway"}), ("lethe-postgresql", {"gateway", "migration"})):
        (rule,) = manifests["NetworkPolicy", name]["spec"]["ingress"]
        peers = {peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in rule["from"]}
        assert allowed == peers
