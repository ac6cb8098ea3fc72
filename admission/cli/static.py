"""``computegate static``: the gate as files for the API server's host, which nobody can delete through the API.

Reads what ``helm template`` renders, so that the files are what the chart installs.  Since Kubernetes 1.36 the API
server takes admission configuration from folders of its own host (KEP-5793; the feature gate is
ManifestBasedAdmissionControlConfig, alpha in 1.36): names end in ``.static.k8s.io``, webhooks are reached by URL, and
policies take no parameters.
"""

from __future__ import annotations

import base64
import pathlib
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

SUFFIX = ".static.k8s.io"

_GATE = "--feature-gates=ManifestBasedAdmissionControlConfig=true"
_GROUP = "admissionregistration.k8s.io/"
_CONFIGURATION = "apiserver.config.k8s.io/v1"
_WEBHOOK = "ValidatingWebhookConfiguration"
_FOLDERS = {
    _WEBHOOK: "webhooks",
    "ValidatingAdmissionPolicy": "validating",
    "ValidatingAdmissionPolicyBinding": "validating",
    "MutatingAdmissionPolicy": "mutating",
    "MutatingAdmissionPolicyBinding": "mutating",
}
_PLUGINS = {
    "webhooks": ("ValidatingAdmissionWebhook", "WebhookAdmissionConfiguration"),
    "validating": ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyConfiguration"),
    "mutating": ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyConfiguration"),
}

Manifest = dict[str, Any]


class StaticError(ValueError):
    """What was given cannot be made into files; says what to change."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser(
        "static",
        help="write the gate as files for the API server's host (hard mode)",
        description="helm template ... | computegate static --url https://HOST:PORT --out DIR",
    )
    parser.add_argument("-f", "--file", type=pathlib.Path, help="what helm template rendered; else standard input")
    parser.add_argument("--url", required=True, help="base URL by which that host reaches the server")
    parser.add_argument("--ca", type=pathlib.Path, help="CA of the server's certificate (PEM); else the chart's")
    parser.add_argument("--client", default="", metavar="FILE", help="kubeconfig on that host to ask webhooks with")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder to write to")
    parser.add_argument(
        "--at", type=pathlib.PurePosixPath, help="where that folder is on the host; without it the same"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the files; 2 where that cannot be done."""
    try:
        text = sys.stdin.read() if arguments.file is None else arguments.file.read_text()
        authority = arguments.ca.read_bytes() if arguments.ca else b""
        files = files_of(list(_read(text)), arguments.url, authority)
        at = arguments.at or pathlib.PurePosixPath(arguments.out.absolute())
        _write(arguments.out, files, configuration(files, at, arguments.client))
    except (StaticError, OSError, UnicodeDecodeError) as error:
        print(f"computegate static: {error}", file=sys.stderr)
        return 2
    print(f"kube-apiserver {_GATE} --admission-control-config-file={at}/admission.yaml")
    return 0


def files_of(rendered: Iterable[Manifest], url: str, authority: bytes) -> dict[str, list[Manifest]]:
    """Return the objects of each folder.  Raises ``StaticError``."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
        raise StaticError(f"--url {url}: give an https:// URL without a path")
    files: dict[str, list[Manifest]] = {}
    for each in rendered:
        if not str(each.get("apiVersion", "")).startswith(_GROUP) or each.get("kind") not in _FOLDERS:
            continue
        spec = each.get("spec") or {}
        if "paramKind" in spec or "paramRef" in spec:
            continue  # guards the objects in the API: of files there is nothing to guard
        files.setdefault(_FOLDERS[each["kind"]], []).append(_static(each, url.rstrip("/"), authority))
    if "webhooks" not in files:
        raise StaticError(f"no {_WEBHOOK} in what was read: give what helm template renders of the chart")
    return files


def _static(rendered: Manifest, url: str, authority: bytes) -> Manifest:
    made = {**rendered, "metadata": {"name": f"{rendered['metadata']['name']}{SUFFIX}"}}
    if rendered["kind"] == _WEBHOOK:
        made["webhooks"] = [_reached(entry, url, authority) for entry in rendered["webhooks"]]
    elif rendered["kind"].endswith("Binding"):
        made["spec"] = {**rendered["spec"], "policyName": f"{rendered['spec']['policyName']}{SUFFIX}"}
    return made


def _reached(entry: Manifest, url: str, authority: bytes) -> Manifest:
    """Return an entry that is asked by URL: the API server's host need not know the cluster's Services."""
    bundle = base64.b64encode(authority).decode() if authority else entry["clientConfig"].get("caBundle")
    if not bundle:
        raise StaticError("what was rendered names no CA of the server's certificate: give it in --ca")
    path = f"/validate/{entry['name'].partition('.')[0]}"
    return {**entry, "clientConfig": {"url": f"{url}{path}", "caBundle": bundle}}


def configuration(files: Iterable[str], at: pathlib.PurePosixPath, client: str) -> Manifest:
    """Return the AdmissionConfiguration that names the folders."""
    plugins = []
    for folder in files:
        name, kind = _PLUGINS[folder]
        more = {"kubeConfigFile": client} if folder == "webhooks" and client else {}
        content = {"apiVersion": _CONFIGURATION, "kind": kind, "staticManifestsDir": str(at / folder), **more}
        plugins.append({"name": name, "configuration": content})
    return {"apiVersion": _CONFIGURATION, "kind": "AdmissionConfiguration", "plugins": plugins}


def _read(text: str) -> Iterator[Manifest]:
    try:
        for each in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if isinstance(each, dict):
                yield each
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise StaticError(f"what was read is no YAML: {' '.join(str(error).split())}") from error


def _write(folder: pathlib.Path, files: dict[str, list[Manifest]], admission: Manifest) -> None:
    for name, objects in files.items():
        path = folder / name / "computegate.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump_all(objects, sort_keys=False, width=1000))
    (folder / "admission.yaml").write_text(yaml.safe_dump(admission, sort_keys=False))
