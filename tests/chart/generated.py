"""Pods for Hypothesis: ordinary ones with a few things of interest, each a name of the tables or one that nearly is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from admission.catalogue.resources import DEVICE_CLASS_PREFIX, harmless
from admission.demand import ways

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hypothesis.strategies import SearchStrategy

Fields = dict[str, Any]

RUNTIMES = {"nvidia": {}, "gvisor": {}, "gvisor2": {}, "kata-qemu-nvidia-gpu": {}, "youki": {"nvidia.com/gpu": "1"}}
"""Runtime classes that are in the cluster, with their overhead."""

VOLUMES: Fields = {"volumes": [{"name": "scratch", "emptyDir": {}}, {"name": "node", "hostPath": {"path": "/etc/ssl"}}]}
"""What the stored pod has that ephemeral containers are added to."""

_LOOK_ALIKE = str.maketrans({"s": "\u017f", "S": "\u017f", "i": "\u0131", "I": "\u0131", "k": "\u212a", "K": "\u212a"})
_EDITS: tuple[Callable[[str], str], ...] = (
    str.upper,
    str.lower,
    str.swapcase,
    lambda text: text[1:],
    lambda text: text[:-1],
    lambda text: text + "x",
    lambda text: "x" + text,
    lambda text: "x." + text,
    lambda text: text + "/x",
    lambda text: text + ".x",
    lambda text: text.replace("_", "-"),
    lambda text: text.replace("_", ""),
    lambda text: text.translate(_LOOK_ALIKE),
    lambda text: "CAP_" + text,
    lambda _: "",
)
_PATH_EDITS: tuple[Callable[[str], str], ...] = (
    lambda path: path.replace("/", "//"),
    lambda path: path.replace("/", "/./"),
    lambda path: path + "/",
    lambda path: path + "/../x",
    lambda path: path + "/..x",
    lambda path: "/x/.." + path,
    lambda path: path.rpartition("/")[0] or "/",
    lambda path: path.lstrip("/"),
    lambda path: path + "/all",
)


def near(names: Iterable[str], *edits: Callable[[str], str]) -> SearchStrategy[str]:
    """Return names of the table, and names that are one edit away."""
    exact = st.sampled_from(list(names))
    return exact | st.builds(lambda name, edit: edit(name), exact, st.sampled_from((*_EDITS, *edits)))


def pods() -> SearchStrategy[Fields]:
    """Return pods as a user would submit them, many of which the API server refuses for their form."""
    nothing: SearchStrategy[list[Fields]] = st.just([])
    features = (nothing | st.lists(_of_pod(), max_size=2)).map(_merged)
    every = st.tuples(features, containers("c", mounted=("scratch", "v")), nothing | st.lists(_further(), max_size=1))
    return every.map(lambda drawn: _pod(*drawn))


def containers(name: str, mounted: tuple[str, ...] = ("scratch", "node")) -> SearchStrategy[list[Fields]]:
    """Return one container of this name, with up to two things of interest."""
    of_one = st.lists(_of_container(mounted), max_size=2).map(_merged)
    return of_one.map(lambda fields: [{"name": name, "image": "i", **fields}])


def device_annotations() -> SearchStrategy[Fields]:
    """Return one annotation that gives devices, or nearly does."""
    keys = (*ways.DEVICE_ANNOTATIONS, *ways.RUNTIME_ANNOTATIONS, *ways.FRACTION_ANNOTATIONS, "example.com/x")
    return near(keys, lambda key: key + "/container.c", lambda key: key + "x/y").map(lambda key: {key: "1"})


def claims() -> SearchStrategy[Fields]:
    """Return claims for devices of classes that are harmless, or nearly."""
    names, _ = harmless()
    known = [name.removeprefix(DEVICE_CLASS_PREFIX) for name in names if name.startswith(DEVICE_CLASS_PREFIX)]
    extras: SearchStrategy[Fields] = st.sampled_from([{}, {}, {"adminAccess": True}, {"allocationMode": "All"}])
    one = st.builds(lambda name, extra: {"deviceClassName": name, **extra}, near([*known, "gpu.nvidia.com"]), extras)
    exactly = one.map(lambda asked: {"exactly": asked})
    named = one.map(lambda asked: {key: value for key, value in asked.items() if key != "adminAccess"})
    alternatives = st.lists(named, min_size=1, max_size=2).map(
        lambda found: {"firstAvailable": [{"name": f"a{number}", **each} for number, each in enumerate(found)]}
    )
    asked = st.lists(exactly | alternatives, max_size=2)
    return asked.map(lambda found: _claim([{"name": f"r{number}", **each} for number, each in enumerate(found)]))


def _claim(requests: list[Fields]) -> Fields:
    kind = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": "generated"}}
    return {**kind, "spec": {"devices": {"requests": requests}}}


def _further() -> SearchStrategy[Fields]:
    """Return one init container or sidecar."""
    policies: SearchStrategy[Fields] = st.sampled_from([{}, {"restartPolicy": "Always"}])
    return st.builds(
        lambda found, policy: {**found[0], **policy}, containers("further", mounted=("scratch", "v")), policies
    )


def _pod(fields: Fields, main: list[Fields], further: list[Fields]) -> Fields:
    keys = fields.pop("annotations", {})
    spec = {"containers": main, "initContainers": further, **fields}
    spec["volumes"] = [{"name": "scratch", "emptyDir": {}}, *(fields.get("volumes") or [_VOLUME])]
    metadata = {"name": "generated", "annotations": keys}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


_VOLUME: Fields = {"name": "v", "emptyDir": {}}


def _merged(features: list[Fields]) -> Fields:
    return {key: value for feature in features for key, value in feature.items()}


def _of_pod() -> SearchStrategy[Fields]:
    paths = ("/", "/dev", "/etc", *ways.HARMLESS_HOST_FILES, *ways.HARMLESS_HOST_DIRECTORIES)
    return st.one_of(
        device_annotations().map(lambda keys: {"annotations": keys}),
        near(paths, *_PATH_EDITS).map(lambda path: {"volumes": [{"name": "v", "hostPath": {"path": path}}]}),
        st.sampled_from([*RUNTIMES, None]).map(lambda name: {"runtimeClassName": name}),
        st.sampled_from(
            [
                {"hostPID": True},
                {"hostPID": None, "hostIPC": True, "hostNetwork": True},
                {"hostNetwork": True, "securityContext": {"windowsOptions": {"hostProcess": True}}},
                {"securityContext": {"windowsOptions": {"hostProcess": False}}},
                {"securityContext": None, "volumes": None},
                {"nodeName": "n"},
                {"shareProcessNamespace": True},
                {"resources": {"limits": {"cpu": "1"}}},
                {"resourceClaims": [{"name": "c", "resourceClaimName": "c"}]},
                {"resourceClaims": []},
            ]
        ),
    )


def _of_container(mounted: tuple[str, ...]) -> SearchStrategy[Fields]:
    return st.one_of(
        _resources(),
        _variables(),
        _mounts(mounted),
        near((*ways.NODE_CAPABILITIES, "MKNOD", "SYS_PTRACE")).map(_added),
        st.sampled_from(
            [
                {"securityContext": {"privileged": True}},
                {"securityContext": {"privileged": None, "capabilities": None}},
                {"securityContext": {"windowsOptions": {"hostProcess": True}}},
                {"securityContext": None, "env": None, "volumeMounts": None, "resources": None},
                {"envFrom": [{"configMapRef": {"name": "c"}}]},
            ]
        ),
    )


def _added(capability: str) -> Fields:
    return {"securityContext": {"capabilities": {"add": [capability], "drop": ["ALL"]}}}


def _resources() -> SearchStrategy[Fields]:
    names, beginnings = harmless()
    devices = ("nvidia.com/gpu", "nvidia.com/h100", "google.com/tpu", "gpu.intel.com/monitoring", "example.com/x")
    native = ("cpu", "kubernetes.io/x", "x.kubernetes.io/y", f"x.{DEVICE_CLASS_PREFIX}y")
    known = (*devices, *native, *names, *(f"{each}x" for each in beginnings), f"{DEVICE_CLASS_PREFIX}gpu.example.com")
    amounts = st.sampled_from(["0", "1", "1k", "2e0", "1.0"])
    return st.builds(lambda name, amount: {"resources": {"limits": {name: amount}}}, near(known), amounts)


def _variables() -> SearchStrategy[Fields]:
    asking = [f"NVIDIA{ending}" for ending in ways.VISIBLE_DEVICES] + list(ways.FURTHER_VARIABLES)
    names = near(asking) | near((*ways.NARROWING_VARIABLES, "PATH"))
    values = near(("", "void", "none", "all", "0")).map(lambda value: {"value": value})
    elsewhere = st.just({"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})
    nothing: SearchStrategy[Fields] = st.just({})
    made = st.one_of(values, elsewhere, nothing)
    return st.builds(lambda name, value: {"env": [{"name": name, **value}]}, names, made)


def _mounts(mounted: tuple[str, ...]) -> SearchStrategy[Fields]:
    paths = near((ways.MOUNT_DEVICES, "/data"), *_PATH_EDITS)
    access: SearchStrategy[Fields] = st.sampled_from([{}, {"readOnly": True}, {"readOnly": False}])
    return st.builds(
        lambda name, path, mode: {"volumeMounts": [{"name": name, "mountPath": path, **mode}]},
        st.sampled_from(mounted),
        paths,
        access,
    )
