"""The product as it is served on a laptop, for a cleared tenant with pods of a controlled class.

Usage: product.py PORT CERTIFICATE KEY [LEDGER [NAMESPACE]]

Without LEDGER no limit stands in the way, so that a request is parsed, judged by every rule, answered, counted and
recorded, and no ledger is asked.  With `memory` every pod is reserved too, in a ledger in memory; with `steady`
likewise, and nothing is done by the clock; with `disk` in a ledger on the disk, where nothing folds: entries, and what
each commit writes, then grow with the run, as they would not in a cluster.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
PROGRAMS = {
    "": "admission.cli.main",
    "disk": "admission.cli.main",
    "memory": "bench.inmemory",
    "steady": "bench.steady",
}


def main(port: str, certificate: str, key: str, ledger: str = "", where: str = "team-a") -> None:
    """Become the server."""
    arguments = prepared(port, certificate, key, ledger, where)
    command = [sys.executable, "-m", PROGRAMS[ledger], *arguments]
    os.chdir(ROOT)
    os.execv(sys.executable, command)  # noqa: S606 (the program that is measured)


def prepared(port: str, certificate: str, key: str, ledger: str, where: str = "team-a") -> list[str]:
    """Write the objects and the settings, throw the record away, and return the program's arguments."""
    folder = Path(tempfile.mkdtemp())
    objects = folder / "objects"
    objects.mkdir()
    (objects / "objects.yaml").write_text(yaml.safe_dump_all(_objects(ledger, where)))
    listen = {"host": "127.0.0.1", "port": int(port), "metricsHost": "127.0.0.1", "metricsPort": 0}
    settings = {
        "mode": "enforce",
        "listen": listen,
        "tls": {"certFile": certificate, "keyFile": key},
        "drainSeconds": 0,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return ["serve", "--config", str(folder / "config.yaml"), "--standalone", str(objects)]


def _objects(ledger: str, where: str) -> list[dict[str, object]]:
    """The example policy and a cleared tenant, with one namespace."""
    examples = ROOT / "examples" / "objects"
    policy = yaml.safe_load((examples / "policy.yaml").read_text())
    pools = list(yaml.safe_load_all((examples / "pools.yaml").read_text()))
    tenant = next(iter(yaml.safe_load_all((examples / "tenants.yaml").read_text())))
    tenant["status"]["screening"]["listsAsOf"] = dt.datetime.now(dt.UTC).isoformat()  # the policy asks for a young list
    for pool in pools:
        pool["spec"]["acceleratorClass"] = "h100-sxm"
        pool["spec"]["place"]["country"] = "DE"
    policy["spec"]["rules"] = [rule for rule in policy["spec"]["rules"] if rule["effect"] != "Quota"]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": where}}
    namespace["metadata"]["labels"] = {"computegate.io/tenant": tenant["metadata"]["name"]}  # type: ignore[index]  # a dict
    limits = {"jurisdictions": ["DE"], "limits": {"devices": 2**31}}
    limit = {"apiVersion": policy["apiVersion"], "kind": "ComputeQuota", "metadata": {"name": "de"}, "spec": limits}
    return [policy, *pools, tenant, namespace, *([limit] if ledger else [])]


if __name__ == "__main__":
    main(*sys.argv[1:])
