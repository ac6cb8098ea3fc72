"""What computegate decides, shown: `make demo` on a laptop, `make demo-cluster` through kubectl.

The laptop's demo starts the real server on the objects of this folder and sends it the reviews that an API server
would send for the pods of examples/workloads.  The cluster's starts a real control plane, installs the chart's
objects and creates the same pods with kubectl.
"""

import argparse
import copy
import datetime as dt
import http.client
import json
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import yaml

from tools.controlplane import ControlPlane
from tools.installation import CONTACT, Installation
from tools.ports import free_ports

HERE = pathlib.Path(__file__).parent
SHOWN = ("computegate_decisions_total", "computegate_denial_reasons_total", "computegate_devices_total")
H100 = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}


class Case(NamedTuple):
    """One pod to create, and what it shows."""

    shows: str
    namespace: str
    pod: dict[str, Any]


def cases() -> Iterator[Case]:
    """The pods of the workloads, and variations of the notebook that show the other verdicts."""
    job = _template("training-job.yaml")
    serving, notebook = _template("inference-deployment.yaml"), _template("notebook.yaml")
    yield Case("training job, worker 1 of 2: tenant cleared", "vision-training", job)
    yield Case("training job, worker 2 of 2", "vision-training", job)
    yield Case("one notebook more: over the tenant's quota", "vision-training", _with(notebook, nodeSelector=H100))
    yield Case("inference server: clearance expired", "image-serving", serving)
    yield Case("notebook: subsidiary of a listed parent", "harbour-lab", _with(notebook, nodeSelector=H100))
    yield Case("reseller names no end customer", "resale-unnamed", _with(notebook, activeDeadlineSeconds=86400))
    ended = _with(notebook, activeDeadlineSeconds=86400, nodeSelector=H100)
    yield Case("reseller names its customer, both cleared", "resale-tanuki", ended)
    yield Case("the same without an end", "resale-tanuki", _with(notebook, nodeSelector=H100))
    yield Case("namespace of nobody", "nobody", _with(notebook, nodeSelector=H100))
    yield Case("an uncontrolled chip needs no clearance", "image-serving", _with(notebook, nodeSelector=_t4()))
    yield Case("reaches devices without asking", "vision-training", _bypassing(notebook))


def _t4() -> dict[str, str]:
    return {"nvidia.com/gpu.product": "Tesla-T4"}


def _template(name: str) -> dict[str, Any]:
    """Return the pod that a workload makes."""
    workload = yaml.safe_load((HERE / "workloads" / name).read_text())
    spec = workload["spec"] if workload["kind"] == "Pod" else workload["spec"]["template"]["spec"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": workload["metadata"]["name"]}, "spec": spec}


def _with(pod: dict[str, Any], **spec: Any) -> dict[str, Any]:
    changed = copy.deepcopy(pod)
    changed["spec"].update(spec)
    return changed


def _bypassing(pod: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(pod)
    changed["spec"]["containers"][0]["env"] = [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]
    del changed["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"]
    return changed


def show(create: Callable[[Case, str], str]) -> None:
    """Create each pod and print what came back: "" is admitted."""
    for number, case in enumerate(cases(), 1):
        denial = create(case, f"{case.pod['metadata']['name']}-{number}")
        print(f"\n{number:2}. {case.shows}")
        print(f"    {'DENIED' if denial else 'ADMITTED':8} {case.namespace}/{case.pod['metadata']['name']}-{number}")
        if denial:
            print(textwrap.indent(textwrap.fill(denial, 112), "    "))


def on_a_laptop() -> None:
    """Start the server on a copy of the objects and send it reviews over TLS."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / "objects"
        shutil.copytree(HERE / "objects", folder)
        (folder / "tenants.yaml").write_text(_tenants())
        port, metrics_port = free_ports(2)
        settings = pathlib.Path(temporary) / "config.yaml"
        listen = {"host": "127.0.0.1", "port": port, "metricsHost": "127.0.0.1", "metricsPort": metrics_port}
        log = {"level": "warning", "format": "text"}
        settings.write_text(yaml.safe_dump({"contact": CONTACT, "listen": listen, "drainSeconds": 0, "log": log}))
        command = [sys.executable, "-m", "admission.cli.main", "serve", "--config", str(settings)]
        with subprocess.Popen([*command, "--standalone", str(folder)], stdout=subprocess.PIPE) as server:
            try:
                _wait_for(port)
                context = ssl.create_default_context(cafile=folder / ".computegate" / "ca.crt")
                before = _metrics(metrics_port)
                show(lambda case, name: _reviewed(port, context, case, name))
                _print_moved(before, _metrics(metrics_port))
            finally:
                server.terminate()
                record = server.communicate(timeout=20)[0].decode()
        _print_record(record)


def _reviewed(port: int, context: ssl.SSLContext, case: Case, name: str) -> str:
    """Send the review that an API server would send for a new pod; return the denial, or ""."""
    pod = copy.deepcopy(case.pod)
    pod["metadata"] = {"name": name, "namespace": case.namespace, "uid": str(uuid.uuid4())}
    request = {
        "uid": str(uuid.uuid4()),
        "operation": "CREATE",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "namespace": case.namespace,
        "name": name,
        "userInfo": {"username": "demo"},
        "object": pod,
    }
    body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
    connection.request("POST", "/validate/enforced?timeout=10s", body, {"Content-Type": "application/json"})
    response = json.load(connection.getresponse())["response"]
    connection.close()
    return "" if response["allowed"] else str(response["status"]["message"])


def in_a_cluster() -> None:
    """Start a control plane, install, and create the pods with kubectl."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        print("starting etcd, kube-apiserver, kube-controller-manager, kube-scheduler and the webhook ...")
        with ControlPlane(folder / "plane") as plane, Installation(plane, folder / "computegate") as installed:
            kubectl = installed.kubectl
            install_objects(installed)
            before = installed.replicas[0].metrics()

            def create(case: Case, name: str) -> str:
                pod = copy.deepcopy(case.pod)
                pod["metadata"] = {"name": name, "namespace": case.namespace}
                done = kubectl("create", "-f", "-", stdin=json.dumps(pod), check=False)
                return "" if done.returncode == 0 else done.stderr.strip()

            show(create)
            time.sleep(3)
            asked = ("get", "tenants.computegate.io,computequotas")
            print(f"\n$ kubectl {' '.join(asked)}\n{kubectl(*asked).stdout}")
            _print_moved(before, installed.replicas[0].metrics())
            _print_record(installed.replicas[0].record.read_text())


def _tenants() -> str:
    """The tenants as a screening by the lists of today leaves them: older lists count for 30 days."""
    today = dt.datetime.now(dt.UTC).date().isoformat()
    return re.sub(
        r'listsAsOf: "[^"]*"', f'listsAsOf: "{today}T00:00:00Z"', (HERE / "objects" / "tenants.yaml").read_text()
    )


def install_objects(installed: Installation) -> None:
    """Apply the objects of this folder, and write the statuses as a KYC integration would."""
    kubectl = installed.kubectl
    for path in sorted((HERE / "objects").glob("*.yaml")):
        kubectl("apply", "-f", path)
    for tenant in yaml.safe_load_all(_tenants()):
        status = json.dumps({"status": tenant["status"]})
        kubectl(
            "patch",
            "tenants.computegate.io",
            tenant["metadata"]["name"],
            "--subresource=status",
            "--type=merge",
            "-p",
            status,
        )
    for namespace in yaml.safe_load_all((HERE / "objects" / "namespaces.yaml").read_text()):
        kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace["metadata"]["name"], "--timeout=30s")
    for _ in range(150):
        counted = kubectl("get", "quotaledgers", "-o", "jsonpath={.items[*].status.initialized}").stdout.split()
        if counted.count("true") >= len(list(yaml.safe_load_all((HERE / "objects" / "quotas.yaml").read_text()))):
            return
        time.sleep(0.2)
    raise SystemExit("the ledgers were not counted in time")


def _print_moved(before: str, after: str) -> None:
    was = set(before.splitlines())
    print("\nMetrics that moved")
    for line in after.splitlines():
        if line.startswith(SHOWN) and line not in was:
            print(f"    {line}")


def _print_record(text: str) -> None:
    denied = [json.loads(line) for line in text.splitlines() if '"denied"' in line]
    reference = denied[1]["reference"]
    print(f"\nWhat the operator sees behind reference {reference}: computegate explain {reference} --from -")
    command = [sys.executable, "-m", "admission.cli.main", "explain", reference, "--from", "-"]
    told = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    print(textwrap.indent(told, "    "))


def _metrics(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    return connection.getresponse().read().decode()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server did not start; its output above says why")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cluster", action="store_true", help="through kubectl on a real control plane")
    (in_a_cluster if parser.parse_args().cluster else on_a_laptop)()
