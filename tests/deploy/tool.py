"""Run by the tools' own Python: each line on stdin is a call, and each on stdout its answer. Knows no test."""

from __future__ import annotations

import json
import re
import sys

import compose_spec
import kubernetes_validate
import yaml
from helm_python import Chart, HelmValuesError, lint


def lint_chart(chart, values, kube):
    """List the findings of `helm lint --strict` as (severity, file, message); 2 warns, 3 fails."""
    report = lint(chart, values, strict=True, namespace="lethe", kube_version=kube)
    return [[m["severity"], m["path"], m["error"]] for m in report["messages"]] + report["errors"]


def render_chart(chart, values, name="lethe", upgrade=False):
    """Render as `helm template` does: every document by the file that made it, notes as text."""
    loaded = Chart.load(chart)
    loaded.validate_schema(loaded.merge_values(values))
    texts = loaded.render(values, name=name, namespace="lethe", is_install=not upgrade, is_upgrade=upgrade)
    documents = {file: list(yaml.safe_load_all(text)) for file, text in texts.items() if file.endswith(".yaml")}
    notes = "".join(text for file, text in texts.items() if file.endswith("NOTES.txt"))
    kept = {file: [each for each in said if each] for file, said in documents.items()}
    return {"manifests": [each for said in kept.values() for each in said], "notes": notes}


def refuse_values(chart, values):
    """Say how the schema refuses values, or nothing."""
    loaded = Chart.load(chart)
    try:
        loaded.validate_schema(loaded.merge_values(values))
    except HelmValuesError as error:
        return str(error)
    return ""


def check_manifest(manifest, kube):
    """Say what a Kubernetes version's own schema has against a manifest, strictly, or nothing."""
    try:
        kubernetes_validate.validate(manifest, kube, strict=True)
    except kubernetes_validate.ValidationError as error:
        return error.message
    return ""


def parse_compose(file):
    """Name the services of a compose file that follows the Compose specification."""
    with open(file) as text:
        given = re.sub(r"\$\{\w+(:[^}]*)?\}", "given", text.read())
    parsed = compose_spec.PyOptions(apply_merge=True).from_yaml(given)
    parsed.validate()
    return parsed.service_names()


if __name__ == "__main__":
    for line in sys.stdin:
        function, arguments = json.loads(line)
        try:
            said = {"found": globals()[function](**arguments)}
        except Exception as error:
            said = {"error": str(error)}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
