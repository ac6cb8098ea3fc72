"""A real node of a control plane: containerd, kubelet, kube-proxy, and a plugin of invented devices.

    with node_plane(directory) as plane, Node(plane, directory / "node", devices=8) as node:
        node.load(archive)

It runs in the namespaces that tools.node.enter makes, and as all its files are in the scratch folder there, once in
each of them.  A second one runs on a machine of its own (tools.node.machine).
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tools.controlplane import ControlPlane
from tools.kubectl import Kubectl
from tools.node import enter, images
from tools.node.requirements import CNI
from tools.process import Process, StartError, binaries

NAME = "node"
RESOURCE = "nvidia.com/gpu"
_SOCKET = Path("/run/containerd/containerd.sock")
_PLUGINS = Path("/var/lib/kubelet/device-plugins/kubelet.sock")
_STARTED = b"Start streaming server"
"""What containerd logs when it answers a kubelet."""
_READY_SECONDS = 120.0
_STOP_ORDER = ("device-plugin", "kube-proxy", "kubelet", "containerd")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node runs, and what it is called: by default, in the namespaces of whoever starts it."""

    name: str = NAME
    address: str = enter.ADDRESS
    pods: str = "10.244.0.0/24"
    """Where its pods have their addresses."""
    group: str = ""
    """The cgroup of its pods, below that of `enter`."""
    root: Path = Path("/")
    """The root of its file systems."""
    entering: tuple[str, ...] = ()
    """What a command begins with that is to run there."""


HERE = Place()


def node_plane(directory: Path) -> ControlPlane:
    """Return a control plane that a node in these namespaces can belong to; it is not started."""
    return ControlPlane(directory, address=enter.ADDRESS)


class Node:
    """A node in its place, with `devices` of nvidia.com/gpu and the given labels.  A context manager."""

    def __init__(
        self, plane: ControlPlane, devices: int = 8, labels: dict[str, str] | None = None, place: Place = HERE
    ) -> None:
        self._place = place
        self.directory = enter.scratch() / self._place.name
        self.directory.mkdir(parents=True, exist_ok=True)
        self.kubectl = Kubectl(plane)
        self._plane, self._devices, self._labels = plane, devices, labels or {}
        self._binaries = binaries("kubelet", "kube-proxy", "device-plugin")
        self._processes: dict[str, Process] = {}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until the node is ready and offers its devices."""
        for left in (_SOCKET, _PLUGINS):  # by a crash
            self._seen(left).unlink(missing_ok=True)
        self._start_containerd()
        self.load(images.pause(self.directory))
        account = self._plane.kubeconfig_for(f"system:node:{self._place.name}", ["system:nodes"])
        kubelet = self._write("kubelet.json", _kubelet(self._place, self._plane.ca))
        self._run("kubelet", [f"--config={kubelet}", f"--kubeconfig={account}", *self._kubelet_flags()])
        proxy = self._write("kube-proxy.json", _proxy(self._place, self._plane.kubeconfig_for("system:kube-proxy")))
        self._run("kube-proxy", [f"--config={proxy}"])
        self._await("kubelet", self._seen(_PLUGINS).exists)
        self._run("device-plugin", [RESOURCE, str(self._devices)])
        self._await("kubelet", self._is_ready)

    def stop(self) -> None:
        """End the node's programs; containers run on, until their namespaces end."""
        with contextlib.ExitStack() as last_in_first_out:
            for name in sorted(self._processes, key=_STOP_ORDER.index, reverse=True):
                last_in_first_out.callback(self._processes.pop(name).stop)

    def crash(self) -> None:
        """End everything at once, containers too, as when the machine loses its power; `start` is its return."""
        for line in self.ctr("tasks", "list").splitlines()[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(line.split()[1]), signal.SIGKILL)
        for process in self._processes.values():
            process.popen.kill()
        self.stop()

    def load(self, archive: Path) -> None:
        """Load the images of a docker-archive."""
        self.ctr("images", "import", archive)

    def ctr(self, *arguments: str | Path) -> str:
        """Run ctr on the node's containers and return what it printed."""
        command = [*self._place.entering, "ctr", f"--address={_SOCKET}", "--namespace=k8s.io", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StartError(f"ctr {arguments[0]} failed: {done.stderr}")
        return done.stdout

    def process_of(self, pod: str, namespace: str) -> int:
        """Return the id, in these namespaces, of the first process of a pod's first container."""
        got = self.kubectl(
            "get", "pod", pod, "-n", namespace, "-o", "jsonpath={.status.containerStatuses[0].containerID}"
        )
        container = got.stdout.removeprefix("containerd://")
        for line in self.ctr("tasks", "list").splitlines():
            task, pid, *_ = line.split()
            if task == container:
                return int(pid)
        raise LookupError(f"pod {namespace}/{pod} has no running container")

    def _start_containerd(self) -> None:
        config = self.directory / "containerd.toml"
        config.write_text(_CONTAINERD.format(root=self.directory / "containerd", plugins=CNI, networks=self.directory))
        self._write("10-pods.conflist", _network(self._place.pods))
        log = self.directory / "containerd.log"
        begun = log.stat().st_size if log.exists() else 0
        self._run("containerd", [f"--config={config}"])
        # Its socket is there before it has found again what ran before a crash.
        self._await("containerd", lambda: _STARTED in log.read_bytes()[begun:])

    def _run(self, name: str, flags: list[str]) -> None:
        program = self._binaries.get(name) or Path(shutil.which(name) or name)
        command = [*self._place.entering, str(program), *flags]
        self._processes[name] = Process.start(name, Path(command[0]), command[1:], self.directory)

    def _await(self, name: str, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + _READY_SECONDS
        while time.monotonic() < end:
            for process in self._processes.values():
                process.check()
            if holds():
                return
            time.sleep(0.2)
        raise self._processes[name].failure(f"was not ready after {_READY_SECONDS:.0f} s")

    def _is_ready(self) -> bool:
        found = self.kubectl("get", "node", self._place.name, "-o", "json", "--ignore-not-found", check=False).stdout
        status = json.loads(found)["status"] if found.strip() else {}
        ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", []))
        return ready and status.get("allocatable", {}).get(RESOURCE) == str(self._devices)

    def _seen(self, path: Path) -> Path:
        """Return the node's path as it is seen from here."""
        return self._place.root / path.relative_to("/")

    def _kubelet_flags(self) -> list[str]:
        labels = ",".join(f"{key}={value}" for key, value in self._labels.items())
        place = self._place
        return [f"--hostname-override={place.name}", f"--node-ip={place.address}", f"--node-labels={labels}"]

    def _write(self, name: str, config: dict[str, Any]) -> Path:
        path = self.directory / name
        path.write_text(json.dumps(config))  # JSON is YAML
        return path


_CONTAINERD = """
version = 2
root = "{root}"
state = "/run/containerd/state"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true # without the right to lower it, as in many containers
  disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{plugins}"
  conf_dir = "{networks}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
"""


def _network(pods: str) -> dict[str, Any]:
    addresses = {"type": "host-local", "ranges": [[{"subnet": pods}]], "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": "pods", "isGateway": True, "hairpinMode": True, "ipam": addresses}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}


def _kubelet(place: Place, ca: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": place.address,
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(ca)}},
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": str(Path("/", enter.scratch().name, place.group)),
        "containerRuntimeEndpoint": f"unix://{_SOCKET}",
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": False,
        "oomScoreAdj": 0,  # to lower it needs a right that containers often lack
        "resolvConf": os.devnull,  # pods must not get this machine's resolver
        "syncFrequency": "5s",  # so that a changed Secret reaches pods within seconds; by default a minute
    }


def _proxy(place: Place, kubeconfig: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": place.pods,
        "conntrack": {"maxPerCore": 0},  # the host's own limit stands
        "hostnameOverride": place.name,
        "mode": "nftables",
    }
