"""From the models to CustomResourceDefinitions with structural schemas.

``python -m admission.api.crd DIR`` writes one file for each kind.  Structural schemas are a subset of
OpenAPI 3.0 (kubernetes.io, "Specifying a structural schema"): no references, no ``anyOf`` with null,
``exclusiveMinimum`` as a flag.  The API server prunes what is not named here.
"""

from __future__ import annotations

import pathlib
import sys
from typing import TYPE_CHECKING, Any

import yaml

from admission.api import GROUP, VERSION
from admission.api.accelerator import AcceleratorClass, AcceleratorPool
from admission.api.allowance import Allowance
from admission.api.dismissal import ScreeningDismissal
from admission.api.enforcement import Enforcement
from admission.api.exemption import Exemption
from admission.api.installation import ComputeGate
from admission.api.ledger import QuotaLedger
from admission.api.override import KYCOverride
from admission.api.policy import AccessPolicy
from admission.api.presence import AcceleratorPresence
from admission.api.quota import Authorization, ComputeQuota
from admission.api.tenant import Tenant
from admission.api.usage import UsageJournal

if TYPE_CHECKING:
    from admission.api.object import Object

KINDS: tuple[type[Object], ...] = (
    Tenant,
    AcceleratorClass,
    AcceleratorPool,
    AccessPolicy,
    ComputeQuota,
    Authorization,
    Exemption,
    ScreeningDismissal,
    KYCOverride,
    Enforcement,
    Allowance,
    ComputeGate,
    QuotaLedger,
    AcceleratorPresence,
    UsageJournal,
)

Schema = dict[str, Any]


def definition(kind: type[Object]) -> Schema:
    """Return the CustomResourceDefinition of a kind as plain data, ready to be written as YAML."""
    singular = kind.__name__.lower()
    names = {
        "kind": kind.__name__,
        "listKind": f"{kind.__name__}List",
        "plural": kind.crd.plural,
        "singular": singular,
        "categories": ["compute"],
    }
    if kind.crd.short_names:
        names["shortNames"] = list(kind.crd.short_names)
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            *(_column(*column) for column in kind.crd.columns),
            _column("Age", "date", ".metadata.creationTimestamp", "time since creation"),
        ],
        "schema": {"openAPIV3Schema": schema(kind)},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.crd.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": names,
            "scope": "Namespaced" if kind.crd.namespaced else "Cluster",
            "versions": [version],
        },
    }


def schema(kind: type[Object]) -> Schema:
    """Return the structural schema of a kind."""
    source = kind.model_json_schema(by_alias=True)
    root = _structural(source, source.get("$defs", {}))
    root["properties"] |= {
        "apiVersion": {"type": "string", "description": "Version of this representation of the object."},
        "kind": {"type": "string", "description": "Kind of this object."},
        "metadata": {"type": "object"},
    }
    root["required"] = [field for field in root.get("required", ()) if field == "spec"] or None
    return _without_nothing(root)


def _column(name: str, kind: str, path: str, description: str) -> Schema:
    return {"name": name, "type": kind, "jsonPath": path, "description": description}


def _structural(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """Return the node with references inlined and every keyword in its OpenAPI 3.0 form."""
    node = _resolved(node, definitions)
    result: Schema = {
        "description": " ".join(str(node["description"]).split()) if "description" in node else None,
        "type": node.get("type"),
        "format": node.get("format") or ("int64" if node.get("type") == "integer" else None),
        "enum": [node["const"]] if "const" in node else node.get("enum"),
        "default": _kept_default(node.get("default")),
    }
    if "properties" in node:
        result["properties"] = {name: _structural(value, definitions) for name, value in node["properties"].items()}
        result["required"] = node.get("required")
    if "items" in node:
        result["items"] = _structural(node["items"], definitions)
    if isinstance(node.get("additionalProperties"), dict):
        result["additionalProperties"] = _structural(node["additionalProperties"], definitions)
    return _without_nothing(result | _bounds(node) | {k: v for k, v in node.items() if k.startswith("x-kubernetes-")})


def _resolved(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """Follow ``$ref`` and drop the null branch of an optional; what stands beside it wins."""
    for branch in node.get("anyOf", ()):
        if branch.get("type") != "null":
            node = {**branch, **{k: v for k, v in node.items() if k != "anyOf"}}
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        node = {**_resolved(target, definitions), **{k: v for k, v in node.items() if k != "$ref"}}
    return node


def _bounds(node: Schema) -> Schema:
    names = (
        "minLength",
        "maxLength",
        "pattern",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "minimum",
        "maximum",
    )
    bounds = {name: node[name] for name in names if name in node}
    if "exclusiveMinimum" in node:
        bounds |= {"minimum": node["exclusiveMinimum"], "exclusiveMinimum": True}
    return bounds


def _kept_default(value: Any) -> Any:
    """Only defaults that say something are written into stored objects; an empty value stays absent."""
    return value if value and not isinstance(value, dict) else None


def _without_nothing(node: Schema) -> Schema:
    return {name: value for name, value in node.items() if value is not None}


def write(directory: pathlib.Path) -> list[pathlib.Path]:
    """Write one file for each kind into the directory; return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for kind in KINDS:
        path = directory / f"{kind.crd.plural}.yaml"
        path.write_text(rendered(kind))
        paths.append(path)
    return paths


def rendered(kind: type[Object]) -> str:
    """Return the text of the kind's CRD file."""
    header = "# Generated from the models in admission/api by `make crds`; do not edit.\n"
    return header + yaml.safe_dump(definition(kind), sort_keys=False, width=140, allow_unicode=True)


if __name__ == "__main__":
    for written in write(pathlib.Path(sys.argv[1])):
        sys.stdout.write(f"{written}\n")
