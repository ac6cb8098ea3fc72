"""A small cluster, pods that mostly may not run there, what each can obtain there, and the edits a tenant may try.

``obtained`` is the second opinion about a pod: it reads the object as it is sent, knows only the words that are
generated here, and shares nothing with the program.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.demand.cluster import A100, GPU, H100, T4, node, pool

Pod = dict[str, Any]
Edit = Callable[[Pod], None]

NODES = {
    "t": (T4, "t4", "DE", ()),
    "a": (A100, "a100-80gb", "DE", ()),
    "h": (H100, "h100-sxm", "DE", ("gpu",)),
    "c": (A100, "a100-80gb", "CN", ("abroad",)),
    "": (A100, "a100-80gb", "CN", ("abroad",)),
}
"""Product, class, place and taints by name; the pool abroad may still get one, whose name nobody knows."""

UNHEARD_OF = "example.com/unheard-of"
SITE = "site"
HOST = "kubernetes.io/hostname"


EXISTING = tuple(
    node(name, product, *taints, site=country) for name, (product, _, country, taints) in NODES.items() if name
)
ABROAD = pool("abroad", "a100-80gb", "CN", nodeLabels={SITE: "CN"}, taints=[{"key": "abroad", "effect": "NoSchedule"}])


class Obtained(NamedTuple):
    """What a pod can get at all."""

    opened: bool
    """Whether it reaches devices that it does not ask for."""
    unknown: bool
    """Whether it asks for devices that nobody can name."""
    devices: Counter[tuple[str, str]]
    """How many of each class in each place."""
    hold: float
    """For how long, in seconds."""

    def covers(self, other: Obtained) -> bool:
        """Whether it is as much, or what nobody may have."""
        if self.opened or self.unknown:
            return True
        return not (other.opened or other.unknown) and self.devices >= other.devices and self.hold >= other.hold


def obtained(pod: Pod) -> Obtained:
    spec = pod["spec"]
    devices: Counter[tuple[str, str]] = Counter()
    unknown = bool(spec.get("resourceClaims"))
    for resource in (GPU, UNHEARD_OF):
        count = _peak(spec, resource)
        offering = NODES if resource == GPU or "nodeName" in spec else ()
        places = {NODES[name][1:3] for name in offering if _lands(spec, name)}
        devices.update(dict.fromkeys(places, count))
        unknown |= bool(count and not places)
    opened = bool(spec.get("volumes")) or any(map(_opens, _every(spec))) or "cdi.k8s.io/x" in _annotations(pod)
    return Obtained(opened, unknown, +devices, spec.get("activeDeadlineSeconds", math.inf))


def _annotations(pod: Pod) -> dict[str, str]:
    return dict(pod["metadata"].get("annotations", {}))


def _every(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for kind in ("containers", "initContainers", "ephemeralContainers") for each in spec.get(kind, ())]


def _asked(container: dict[str, Any], resource: str) -> int:
    resources = container.get("resources", {})
    asked = {**resources.get("limits", {}), **resources.get("requests", {})}
    return int(str(asked.get(resource, 0)).removesuffix("000m"))


def _peak(spec: dict[str, Any], resource: str) -> int:
    """The most that runs at once in the life of the pod."""
    beside = most = 0
    for init in spec.get("initContainers", ()):
        wanted = _asked(init, resource)
        most = max(most, beside + wanted)
        beside += wanted if init.get("restartPolicy") == "Always" else 0
    return max(most, beside + sum(_asked(each, resource) for each in spec["containers"]))


def _lands(spec: dict[str, Any], name: str) -> bool:
    if "nodeName" in spec:
        return bool(name and spec["nodeName"] == name)
    _, _, country, taints = NODES[name]
    labels = {SITE: country, HOST: name}
    tolerated = {each["key"] for each in spec.get("tolerations", ())}
    required = spec.get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    terms = [each["matchExpressions"] for each in required["nodeSelectorTerms"]] if required else [[]]
    wanted = [{"key": key, "values": [value]} for key, value in spec.get("nodeSelector", {}).items()]
    return tolerated.issuperset(taints) and any(
        all(not labels[each["key"]] or labels[each["key"]] in each["values"] for each in (*term, *wanted))
        for term in terms
    )


def _opens(container: dict[str, Any]) -> bool:
    variables = {(each["name"], each["value"]) for each in container.get("env", ())}
    asked = {("NVIDIA_VISIBLE_DEVICES", value) for value in ("all", "0")}  # twice a variable: either may win
    return "securityContext" in container or bool(asked & variables)


OPENING = ({"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]}, {"securityContext": {"privileged": True}})
DRAWN = st.sampled_from
TERMS = DRAWN([[SITE, "DE"], [SITE, "CN"], [HOST, "h", "t"], [HOST, "a"]]).map(
    lambda parts: {"matchExpressions": [{"key": parts[0], "operator": "In", "values": parts[1:]}]}
)
SELECTORS = DRAWN([{SITE: "DE"}, {SITE: "CN"}, {HOST: "t"}, {HOST: "h"}])
TOLERATIONS = DRAWN(["gpu", "abroad", "other"]).map(lambda key: {"key": key, "operator": "Exists"})
KINDS = DRAWN(["containers", "initContainers", "ephemeralContainers"])


@st.composite
def containers(draw: st.DrawFn, name: str = "added") -> dict[str, Any]:
    amount = draw(DRAWN([0, 0, 1, 1, 2, 4, 5]))
    asked = {GPU: draw(DRAWN([amount, str(amount), f"{amount}000m"]))}
    resources = draw(DRAWN([{"limits": asked}, {"requests": asked}, {"limits": asked, "requests": asked}]))
    stays = {"restartPolicy": "Always"} if draw(st.booleans()) else {}
    return {"name": name, "resources": resources, **stays, **copy.deepcopy(draw(DRAWN([*[{}] * 8, *OPENING])))}


@st.composite
def pods(draw: st.DrawFn) -> Pod:
    spec: dict[str, Any] = {
        kind: [draw(containers(f"{kind[0]}{n}")) for n in range(draw(st.integers(least, 2)))]
        for kind, least in (("containers", 1), ("initContainers", 0))
    }
    if draw(st.booleans()):
        spec["nodeSelector"] = draw(SELECTORS)
    spec["tolerations"] = draw(DRAWN([[], [], [], draw(st.lists(TOLERATIONS, max_size=2))]))
    spec |= draw(DRAWN([{}, *[{"activeDeadlineSeconds": 600}] * 3, {"activeDeadlineSeconds": 7200}]))
    return {"metadata": {"name": "p"}, "spec": spec}


def _set(path: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Edit]:
    """Put a value of these at a path of the pod."""
    *steps, last = path.split(".")

    def putting(value: Any) -> Edit:
        def put(pod: Pod) -> None:
            part = pod
            for step in steps:
                part = part.setdefault(step, {})
            part[last] = value

        return put

    return values.map(putting)


def _append(kind: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Edit]:
    return values.map(lambda value: lambda pod: pod["spec"].setdefault(kind, []).append(value))


def _of_container(
    change: Callable[[dict[str, Any], Any], Any], values: st.SearchStrategy[Any]
) -> st.SearchStrategy[Edit]:
    """Change one of the containers of any kind."""
    return st.builds(
        lambda place, value: lambda pod: change((every := _every(pod["spec"]))[place % len(every)], value),
        st.integers(0, 5),
        values,
    )


def _moved(source: str, target: str, place: int) -> Edit:
    def move(pod: Pod) -> None:
        spec = pod["spec"]
        if len(spec.get(source, ())) > (source == "containers"):
            spec.setdefault(target, []).insert(place, spec[source].pop(place % len(spec[source])))

    return move


REQUIRED = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution"
WORDS = DRAWN(["true", "acme", "observe", "other", "x"])
VARIABLES = st.builds(
    lambda name, value: {"name": name, "value": value},
    DRAWN(["PLAIN", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"]),
    DRAWN(["void", "all", "0"]),
)
EDITS: st.SearchStrategy[Edit] = st.one_of(
    *(
        _set(f"metadata.{field}", st.dictionaries(DRAWN(keys), WORDS, min_size=1))
        for field, keys in (
            ("labels", ["app", "computegate.io/exempt", "computegate.io/tenant", "computegate.io/mode"]),
            ("annotations", ["team", "computegate.io/exempt", "kubernetes.io/config.mirror", "cdi.k8s.io/x"]),
        )
    ),
    _set("metadata.name", DRAWN(["q", "computegate-server"])),
    _set("metadata.ownerReferences", st.just([{"kind": "DaemonSet", "name": "nvidia-driver", "uid": "1"}])),
    _set("spec.schedulerName", DRAWN(["kai-scheduler", "default-scheduler"])),
    _set("spec.priorityClassName", DRAWN(["system-node-critical"])),
    _set("spec.serviceAccountName", DRAWN(["admin"])),
    _set("spec.schedulingGates", st.just([{"name": "kueue.x-k8s.io/admission"}])),
    _set("spec.runtimeClassName", DRAWN(["gvisor", "kata"])),
    _set("spec.activeDeadlineSeconds", DRAWN([1, 600, 7200])),
    _set("spec.nodeSelector", SELECTORS),
    _set("spec.nodeName", DRAWN(["t", "a", "h", "c", "nowhere"])),
    _set("spec.tolerations", st.lists(TOLERATIONS, max_size=3)),
    _set(f"{REQUIRED}.nodeSelectorTerms", st.lists(TERMS, min_size=1, max_size=2)),
    _set(PREFERRED, st.lists(TERMS.map(lambda term: {"weight": 1, "preference": term}))),
    _append("tolerations", TOLERATIONS),
    _append("volumes", st.just({"name": "v", "hostPath": {"path": "/dev"}})),
    _append("resourceClaims", st.just({"name": "g", "resourceClaimName": "g"})),
    *(_append(kind, containers()) for kind in ("containers", "initContainers", "ephemeralContainers")),
    _of_container(lambda each, name: each.update(name=name), WORDS),
    _of_container(lambda each, variable: each.setdefault("env", []).insert(0, variable), VARIABLES),
    _of_container(lambda each, resources: each.update(resources=resources), containers().map(lambda c: c["resources"])),
    _of_container(
        lambda each, name: each["resources"].setdefault("limits", {}).update({name: 1}), DRAWN(["cpu", UNHEARD_OF])
    ),
    _of_container(lambda each, field: each.pop(field, None), DRAWN(["env", "securityContext", "restartPolicy"])),
    _of_container(lambda each, stays: each.update(restartPolicy=stays), DRAWN(["Always", "Never"])),
    st.builds(_moved, KINDS, KINDS, st.integers(0, 2)),
    st.randoms(use_true_random=False).map(lambda random: lambda pod: random.shuffle(pod["spec"]["containers"])),
)
"""What a tenant may try; some narrow the pod honestly."""
