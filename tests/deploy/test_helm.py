"""The Helm chart, rendered by Helm's own code and checked against Kubernetes' own schemas. No
cluster is asked: what Kubernetes makes of it has been seen nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from tidemill.app.fleet import NAMES
from tidemill.cli.root import root

helm = pytest.importorskip("helm_python", reason="make .venv/.installed-deploy")
kubernetes = pytest.importorskip("kubernetes_validate", reason="make .venv/.installed-deploy")
yaml = pytest.importorskip("yaml", reason="make .venv/.installed-deploy")

CHART = Path(__file__).parents[2] / "docs/deploy/helm/tidemill"
SHARED = {"artifacts": {"persistentVolumeClaim": {"claimName": "shared"}}}
FULL = SHARED | {
    "imagePullSecrets": [{"name": "registry"}],
    "nats": {"url": "tls://nats", "replicas": 3, "ports": [4222, 4223]},
    "scheduler": {
        "replicas": 3,
        "nats": {"secret": "s", "files": {"credentials": "s.creds", "ca": "ca.pem"}},
    },
    "poolDefaults": {
        "nats": {"secret": "w", "files": {"credentials": "$(POD_NAME).creds"}},
        "project": {"persistentVolumeClaim": {"claimName": "checkout"}},
        "initContainers": [{"name": "clone", "image": "git", "args": ["clone"]}],
        "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "t", "key": "t"}}}],
        "egress": [{}],
    },
    "pools": {
        "default": {"replicas": 5},
        "GPU_a": {
            "slots": 2, "region": "eu", "labels": {"gpu": "a100", "disk": "fast ssd"},
            "terminationGracePeriodSeconds": 60, "egress": [],
        },
    },
}  # fmt: skip

Manifest = dict[str, Any]


def rendered(values: dict[str, Any]) -> list[Manifest]:
    with helm.Chart.load(str(CHART)) as chart:
        files = chart.render(values, name="fleet", namespace="ci")
    texts = [text for name, text in sorted(files.items()) if name.endswith(".yaml")]
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {one["metadata"]["name"]: one for one in manifests if one["kind"] == kind}


def pods(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Metadata and specification of the pods that are made."""
    for manifest in manifests:
        if template := manifest["spec"].get("template"):
            yield template["metadata"], template["spec"]


@pytest.fixture(params=[{}, SHARED, FULL], ids=["defaults", "a shared folder", "everything"])
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return rendered(request.param)


def test_kubernetes_knows_all_of_it(manifests: list[Manifest]) -> None:
    assert len(manifests) >= 8
    for manifest in manifests:
        kubernetes.validate(manifest, kubernetes.latest_version(), strict=True)


def test_every_command_is_understood(manifests: list[Manifest]) -> None:
    for _, pod in pods(manifests):
        (container,) = pod["containers"]
        context: click.Context = click.Context(root)
        command: click.Command | None = root
        rest = list(container["args"])
        while isinstance(command, click.Group):
            command, rest = command.get_command(context, rest[0]), rest[1:]
        assert command is not None
        command.make_context(container["name"], rest, parent=context)


def test_every_variable_is_one_that_is_read_and_every_file_is_mounted(
    manifests: list[Manifest],
) -> None:
    known = {f"TIDEMILL_{name.upper()}" for name in NAMES}
    for _, pod in pods(manifests):
        (container,) = pod["containers"]
        given = {entry["name"]: entry.get("value", "") for entry in container["env"]}
        assert {name for name in given if name.startswith("TIDEMILL")} <= known
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert set(mounts.values()) == {volume["name"] for volume in pod["volumes"]}
        if any(text.startswith("/etc/tidemill/nats/") for text in given.values()):
            assert "/etc/tidemill/nats" in mounts


def test_nobody_has_more_rights_than_it_needs(manifests: list[Manifest]) -> None:
    for _, pod in pods(manifests):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }


def test_workers_are_told_nothing_of_the_database(manifests: list[Manifest]) -> None:
    workers = of_kind(manifests, "StatefulSet")
    assert workers
    assert not [name for name, one in workers.items() if "postgres" in str(one).lower()]
    for name, policy in of_kind(manifests, "NetworkPolicy").items():
        ports = {
            port["port"] for rule in policy["spec"]["egress"] for port in rule.get("ports", [])
        }
        assert (5432 in ports) == (name == "fleet-scheduler")


def test_each_selector_finds_the_pods_of_its_part_and_no_other(manifests: list[Manifest]) -> None:
    labels = [metadata["labels"] for metadata, _ in pods(manifests)]
    for manifest in manifests:
        spec = manifest["spec"]
        selector = spec.get("podSelector") or spec.get("selector") or {}
        wanted = selector.get("matchLabels", selector)
        if manifest["kind"] == "Job":
            continue
        found = [one for one in labels if wanted.items() <= one.items()]
        assert len(found) == 1, manifest["metadata"]["name"]


def test_probes_ask_what_is_answered(manifests: list[Manifest]) -> None:
    for _, pod in pods(manifests):
        (container,) = pod["containers"]
        if container["name"] == "upgrade":
            continue
        (port,) = container["ports"]
        assert f"--health=0.0.0.0:{port['containerPort']}" in container["args"]
        for probe, path in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
            assert container[probe]["httpGet"] == {"path": path, "port": port["name"]}


def test_a_pool_is_what_its_values_say() -> None:
    workers = of_kind(rendered(FULL), "StatefulSet")
    assert set(workers) == {"fleet-worker-default", "fleet-worker-gpu-a"}
    assert workers["fleet-worker-default"]["spec"]["replicas"] == 5
    pod = workers["fleet-worker-gpu-a"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 60
    assert {
        "--pool=GPU_a", "--slots=2", "--region=eu", "--label=gpu=a100", "--label=disk=fast ssd",
    } <= set(pod["containers"][0]["args"])  # fmt: skip
    names = [entry["name"] for entry in pod["containers"][0]["env"]]
    assert names.index("POD_NAME") < names.index("TIDEMILL_NATS_CREDENTIALS")


def test_the_database_is_upgraded_before_the_rest(manifests: list[Manifest]) -> None:
    (job,) = of_kind(manifests, "Job").values()
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (SHARED | {"polls": {}}, "polls"),
        (SHARED | {"pools": {"default": {"slots": 0}}}, "slots"),
        (SHARED | {"pools": {"default": {"slot": 1}}}, "slot"),
        (SHARED | {"nats": {"url": "nats://anna:hunter2@nats"}}, "does not match pattern"),
        (SHARED | {"scheduler": {"nats": {"files": {"password": "x"}}}}, "password"),
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(helm.HelmError, match=said):
        rendered(values)
