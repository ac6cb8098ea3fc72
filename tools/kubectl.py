"""kubectl against a control plane of ours."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools.controlplane import ControlPlane

_SECONDS = 60.0


class KubectlError(RuntimeError):
    """kubectl failed; the message is its command, status and output."""


class Kubectl:
    """Call it like the command: `kubectl("apply", "-f", "-", stdin=manifest)`; as the administrator or a named user."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane

    def __call__(
        self,
        *arguments: str | Path,
        stdin: str = "",
        user: str | None = None,
        groups: Sequence[str] = (),
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl to its end, within a minute; with `check`, raise KubectlError if it fails."""
        kubeconfig = self.plane.kubeconfig_for(user, groups) if user else self.plane.kubeconfig
        cache = self.plane.directory / "kubectl-cache"  # another run may have used the same port
        command = [self.plane.binary("kubectl"), f"--kubeconfig={kubeconfig}", f"--cache-dir={cache}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=_SECONDS, check=False)
        if check and done.returncode != 0:
            asked = " ".join(map(str, arguments))
            raise KubectlError(f"kubectl {asked}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done
