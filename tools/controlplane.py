"""A real Kubernetes control plane on loopback: etcd, kube-apiserver, kube-controller-manager, kube-scheduler.

    with ControlPlane(Path("/tmp/plane")) as plane:
        subprocess.run([plane.binary("kubectl"), "--kubeconfig", plane.kubeconfig, "get", "namespaces"])

    python -m tools.controlplane up DIR      # prints the kubeconfig's path and runs until SIGINT or SIGTERM

There is no kubelet (tools.node has one): nodes are objects somebody creates, and pods stay Pending.  Everything a run
writes is in its folder: certificates, etcd's data, one log for each process, and the audit log.
"""

import argparse
import contextlib
import json
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn, Self

from tools.authority import Authority, Certificate, write_key
from tools.ports import free_ports
from tools.process import Process, StartError, binaries

CONTROLLERS = ("kube-controller-manager", "kube-scheduler")
_SERVED = ("resource.k8s.io/v1beta1", "resource.k8s.io/v1beta2", "scheduling.k8s.io/v1alpha2")
"""Versions that are not served by default: older ones of claims, and groups of pods while they are alpha."""

LOOPBACK = "127.0.0.1"
_START_SECONDS = 90.0  # about 4 s on an idle machine of two cores
_START_ORDER = ("etcd", "kube-apiserver", *CONTROLLERS)
_APISERVER_SANS = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1", "10.0.0.1")
_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


class ControlPlane:
    """One control plane in `directory`; a folder used before keeps its objects.

    `controllers` are those of CONTROLLERS to run.  `durable` makes etcd sync its disk, for tests about crashes or
    latency; `flags` are further ones of the API server.  With an `address` of this machine other than loopback, pods
    of a real node can reach the API server there, and it reaches the node's kubelet.  Use it as a context manager, or
    call `start()` and, always, `stop()`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        controllers: Iterable[str] = CONTROLLERS,
        durable: bool = False,
        gates: Iterable[str] = (),
        flags: Iterable[str] = (),
        address: str = LOOPBACK,
    ) -> None:
        self.directory = directory.resolve()
        self.address = address
        self.authority = Authority(self.directory / "pki")
        self.audit_log = self.directory / "audit.log"
        self._controllers = tuple(controllers)
        self._durable = durable
        self._gates = [f"--feature-gates={','.join(f'{gate}=true' for gate in gates)}"] if gates else []
        self._flags = tuple(flags)
        self._binaries = binaries("etcd", "kube-apiserver", "kubectl", *self._controllers)
        self._ports = dict(zip(("etcd", "peer", "kube-apiserver"), free_ports(3), strict=True))
        self._serving = self.issue("kube-apiserver", {*_APISERVER_SANS, address})
        self._account_key = write_key(self.directory / "service-accounts.key")
        self._kubeconfigs: dict[tuple[str, tuple[str, ...]], Path] = {}
        self._processes: dict[str, Process] = {}
        self.kubeconfig = self.kubeconfig_for("admin", ["system:masters"])

    @property
    def ca(self) -> Path:
        """The CA's certificate, PEM."""
        return self.authority.path

    @property
    def server(self) -> str:
        """The API server's URL; it stays the same when the API server is restarted."""
        return f"https://{self.address}:{self._ports['kube-apiserver']}"

    @property
    def etcd(self) -> str:
        """URL of etcd's client port, which asks for no certificate."""
        return f"http://127.0.0.1:{self._ports['etcd']}"

    @property
    def etcd_peer(self) -> str:
        """The URL that etcd's member is known by."""
        return f"http://127.0.0.1:{self._ports['peer']}"

    @property
    def etcd_directory(self) -> Path:
        """What etcd holds."""
        return self.directory / "etcd"

    def binary(self, name: str) -> Path:
        """Path of a program of the control plane, or kubectl."""
        return self._binaries[name]

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the programs that run, by name."""
        return {name: process.popen.pid for name, process in self._processes.items()}

    def issue(self, common_name: str, sans: Iterable[str] = ("localhost", "127.0.0.1")) -> Certificate:
        """Sign a serving certificate, such as a webhook's."""
        return self.authority.issue(common_name, sans)

    def kubeconfig_for(self, user: str, groups: Iterable[str] = ()) -> Path:
        """Return a kubeconfig that authenticates as `user` in `groups` by client certificate."""
        identity = (user, tuple(groups))
        if identity not in self._kubeconfigs:
            client = self.authority.issue(user, organizations=identity[1])
            path = client.certificate.with_name("kubeconfig")
            path.write_text(_kubeconfig(self.server, self.ca, client))
            self._kubeconfigs[identity] = path
        return self._kubeconfigs[identity]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until the API server is ready; on any failure nothing stays behind."""
        try:
            self.start_etcd()
            self.start_apiserver()
            self._start_controllers()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all processes, etcd last, as nothing else can end cleanly without it; a failure at one spares none."""
        with contextlib.ExitStack() as last_in_first_out:
            for name in sorted(self._processes, key=_START_ORDER.index):
                last_in_first_out.callback(self._processes.pop(name).stop)

    def start_etcd(self) -> None:
        """Start etcd alone."""
        if "etcd" not in self._processes:
            self._run("etcd", self._etcd_flags())

    def start_apiserver(self) -> None:
        """Start the API server and wait until it is ready."""
        self._run("kube-apiserver", self._apiserver_flags())
        context = ssl.create_default_context(cafile=str(self.ca))
        self._await("kube-apiserver", lambda: _answers(f"{self.server}/readyz", context))

    def stop_apiserver(self, *, crash: bool = False) -> None:
        """End the API server, by force if it is to crash; its clients are refused until `start_apiserver`."""
        apiserver = self._processes.pop("kube-apiserver")
        if crash:
            apiserver.popen.kill()
        apiserver.stop()

    @contextlib.contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """One of the programs stands still for as long as the block lasts."""
        self._processes[name].popen.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._processes[name].popen.send_signal(signal.SIGCONT)

    def restart_apiserver(self, *, crash: bool = False) -> None:
        """End the API server and start it again on the same port; etcd keeps the objects.

        The controllers are started anew too: their watches would back off for up to half a minute.
        """
        for name in self._controllers:
            self._processes.pop(name).stop()
        self.stop_apiserver(crash=crash)
        self.start_apiserver()
        self._start_controllers()

    def _start_controllers(self) -> None:
        for name in self._controllers:
            self._run(name, self._controller_flags(name))
        if "kube-controller-manager" in self._controllers:
            self._await("kube-controller-manager", self._has_service_account)

    def _has_service_account(self) -> bool:
        """Tell whether pods can be created in the namespace `default`: its service account is there."""
        asked = ("get", "serviceaccount", "default")
        command: list[str | Path] = [self.binary("kubectl"), f"--kubeconfig={self.kubeconfig}", *asked]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def _run(self, name: str, flags: Sequence[str]) -> None:
        self._processes[name] = Process.start(name, self._binaries[name], flags, self.directory)

    def _await(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            for process in self._processes.values():
                process.check()
            if ready():
                return
            time.sleep(0.1)
        raise self._processes[name].failure(f"was not ready after {_START_SECONDS:.0f} s")

    def _etcd_flags(self) -> list[str]:
        return [
            f"--data-dir={self.etcd_directory}",
            f"--listen-client-urls={self.etcd}",
            f"--advertise-client-urls={self.etcd}",
            f"--listen-peer-urls={self.etcd_peer}",
            f"--initial-advertise-peer-urls={self.etcd_peer}",
            f"--initial-cluster=default={self.etcd_peer}",
            *([] if self._durable else ["--unsafe-no-fsync"]),
        ]

    def _apiserver_flags(self) -> list[str]:
        policy = self.directory / "audit-policy.json"
        policy.write_text(json.dumps(_AUDIT))
        return [
            f"--etcd-servers={self.etcd}",
            f"--bind-address={self.address}",
            f"--advertise-address={self.address}",
            f"--secure-port={self._ports['kube-apiserver']}",
            *self._node_flags(),
            f"--tls-cert-file={self._serving.certificate}",
            f"--tls-private-key-file={self._serving.key}",
            f"--client-ca-file={self.ca}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self._account_key}",
            f"--service-account-signing-key-file={self._account_key}",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged",
            f"--runtime-config={','.join(f'{version}=true' for version in _SERVED)}",
            *self._gates,
            *self._flags,
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self.audit_log}",
            "--shutdown-watch-termination-grace-period=1s",  # else it waits a minute for open watches to end
        ]

    def _node_flags(self) -> list[str]:
        if self.address == LOOPBACK:
            return ["--endpoint-reconciler-type=none"]  # it would refuse to publish a loopback address
        admin = self.kubeconfig.parent
        return [
            f"--kubelet-client-certificate={admin / 'tls.crt'}",
            f"--kubelet-client-key={admin / 'tls.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            "--enable-admission-plugins=NodeRestriction",
        ]

    def _controller_flags(self, name: str) -> list[str]:
        kubeconfig = self.kubeconfig_for(f"system:{name}")
        flags = [
            *(f"--{purpose}kubeconfig={kubeconfig}" for purpose in ("", "authentication-", "authorization-")),
            "--secure-port=0",  # nobody asks them anything
            "--leader-elect=false",
            *self._gates,
        ]
        if name == "kube-controller-manager":
            flags += [
                f"--service-account-private-key-file={self._account_key}",
                f"--root-ca-file={self.ca}",
                "--use-service-account-credentials",
                "--kube-api-qps=200",  # by default it takes 5 s to begin with service accounts
                "--kube-api-burst=400",
            ]
        if name == "kube-controller-manager" and self.address == LOOPBACK:
            flags.append("--controllers=*,-node-lifecycle-controller")  # without a kubelet it taints every node
        return flags


def _kubeconfig(server: str, ca: Path, client: Certificate) -> str:
    cluster = {"server": server, "certificate-authority": str(ca)}
    user = {"client-certificate": str(client.certificate), "client-key": str(client.key)}
    config = {  # JSON is YAML
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    return json.dumps(config, indent=2)


def _answers(url: str, context: ssl.SSLContext) -> bool:
    try:
        with urllib.request.urlopen(url, context=context, timeout=5) as response:  # noqa: S310  our own https URL
            return bool(response.status == 200)  # noqa: PLR2004  OK
    except OSError:  # refused, reset, timed out, or an HTTP error status: not ready
        return False


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # a second Ctrl-C must not leave processes behind
    raise KeyboardInterrupt


def main(arguments: Sequence[str]) -> int:
    """Run a control plane until a signal."""
    parser = argparse.ArgumentParser(prog="python -m tools.controlplane", description=main.__doc__)
    parser.add_argument("command", choices=["up"])
    parser.add_argument("directory", type=Path)
    parser.add_argument(
        "--components", nargs="*", choices=CONTROLLERS, default=CONTROLLERS, help="besides the API server and etcd"
    )
    options = parser.parse_args(arguments)
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _interrupt)
    try:
        with ControlPlane(options.directory, controllers=options.components) as plane:
            print(plane.kubeconfig, flush=True)
            signal.pause()
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
