"""The fixtures are the real thing."""

import json

from tools.controlplane import ControlPlane
from tools.kubectl import Kubectl

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: example.org/web}]}
"""


def test_the_api_server_is_the_version_we_support(kubectl: Kubectl) -> None:
    version = json.loads(kubectl("version", "-o", "json").stdout)
    assert int(version["serverVersion"]["minor"]) >= 35


def test_a_deployments_replica_set_makes_pods(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", stdin=DEPLOYMENT)
    kubectl("wait", "-n", namespace, "deployment/web", "--for=jsonpath={.status.replicas}=3", "--timeout=30s")
    pods = json.loads(kubectl("get", "pods", "-n", namespace, "-o", "json").stdout)["items"]
    assert [pod["status"]["phase"] for pod in pods] == ["Pending"] * 3
    assert {pod["metadata"]["ownerReferences"][0]["kind"] for pod in pods} == {"ReplicaSet"}


def test_objects_outlive_a_restart_of_the_api_server(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    kubectl("create", "configmap", "kept", "-n", namespace, "--from-literal=a=b")
    control_plane.restart_apiserver()
    kept = kubectl("get", "configmap", "kept", "-n", namespace, "-o", "jsonpath={.data.a}")
    assert kept.stdout == "b"


def test_a_user_without_a_role_is_refused_by_name(kubectl: Kubectl, namespace: str) -> None:
    refused = kubectl("get", "pods", "-n", namespace, user="mallory", groups=["guests"], check=False)
    assert refused.returncode == 1
    assert 'User "mallory" cannot list resource "pods"' in refused.stderr
