"""``computegate``: one program for the webhook, the laptop and the operator's questions."""

from __future__ import annotations

import argparse
import pathlib
import sys

from admission import __version__
from admission.cli import (
    catalogue,
    check,
    demand,
    digest,
    explain,
    kyc,
    ledger,
    ownership,
    preflight,
    profile,
    serve,
    tenants,
    usage,
)
from admission.screening.likeness import THRESHOLD


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="computegate", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _serve(commands)
    _check(commands)
    _demand(commands)
    _preflight(commands)
    _explain(commands)
    _ledger(commands)
    _usage(commands)
    _digest(commands)
    kyc.add(commands)
    tenants.add(commands)
    _catalogue(commands)
    _profile(commands)
    _ownership(commands)
    _screen(commands)
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def _serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("serve", help="answer admission reviews, in a cluster or from a folder of objects")
    parser.add_argument("--config", type=pathlib.Path, help="settings file (YAML); without it the defaults hold")
    parser.add_argument("--kubeconfig", type=pathlib.Path, help="cluster to work for; inside a pod its own")
    parser.add_argument(
        "--standalone",
        type=pathlib.Path,
        metavar="DIR",
        help="read the objects from the YAML files in DIR instead, and keep the ledger there, in .computegate",
    )
    parser.set_defaults(run=serve.run)


def _check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "check",
        help="judge manifests without a server",
        description="Objects of computegate, Namespaces and Nodes among the files decide; pods and workloads are "
        "judged.  Exit code 0: all admitted, 1: some denied, 2: bad input.",
    )
    parser.add_argument("-f", "--file", type=pathlib.Path, action="append", required=True, metavar="FILE", dest="files")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("-n", "--namespace", default="default", help="namespace of manifests that name none")
    parser.add_argument("--at", metavar="INSTANT", help="judge as of this instant (RFC 3339); default is now")
    parser.add_argument("--contact", default="", help="printed at the end of denials")
    parser.add_argument(
        "--place",
        metavar="COUNTRY",
        help="country of nodes and pools that declare none (ISO 3166-1, such as DE); default is unknown",
    )
    _kinds(parser)
    parser.set_defaults(run=check.run)


def _demand(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "demand",
        help="say what each object in manifests can obtain",
        description="One entry for each document: what one pod asks for, how many pods, and the ways around asking.  "
        "Exit code 0: all answered, 1: some documents are broken, 2: bad usage.",
    )
    parser.add_argument("-f", "--file", type=pathlib.Path, nargs="+", action="extend", required=True, dest="files")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    _kinds(parser)
    parser.set_defaults(run=demand.run)


def _kinds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kinds", type=pathlib.Path, action="append", metavar="FILE", help="kinds of workloads besides the known ones"
    )


def _preflight(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "preflight",
        help="say what would break in a cluster if it were enforced",
        description="Reads pods, nodes and namespaces with the rights of the kubeconfig, and changes nothing. "
        "Exit code 0: nothing would break, 1: something would, 2: the cluster cannot be asked.",
    )
    parser.add_argument(
        "--kubeconfig", type=pathlib.Path, help="the cluster; without it KUBECONFIG, inside a pod its own"
    )
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument(
        "-n",
        "--namespace",
        action="append",
        default=[],
        dest="namespaces",
        help="look at the pods of this one only; repeat",
    )
    parser.add_argument(
        "--exempt",
        action="append",
        default=[],
        metavar="NAMESPACE",
        help="count it as excluded besides the installed ones",
    )
    parser.set_defaults(run=preflight.run)


def _explain(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("explain", help="print every check behind the reference of a denial")
    parser.add_argument("reference", metavar="REF")
    parser.add_argument("--from", required=True, metavar="FILE", dest="source", help="decision record; - is stdin")
    parser.set_defaults(run=explain.run)


def _ledger(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "ledger",
        help="list what a standalone server holds, or release what it holds for a pod that is gone",
        description="A standalone server holds a pod's devices until the review of its deletion arrives.  "
        "The server may go on running.  Exit code 0: done, 1: nothing is held for a uid, 2: the ledger cannot be used.",
    )
    parser.add_argument(
        "--objects", type=pathlib.Path, required=True, metavar="DIR", help="the folder of serve --standalone"
    )
    parser.add_argument(
        "--release",
        action="append",
        default=[],
        metavar="UID",
        help="release what is held for this object, in every scope; it must be gone for good; repeat",
    )
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.set_defaults(run=ledger.run)


def _usage(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "usage",
        help="add up device-hours by month, tenant and class",
        description="Reads the usage record out of the logs of all replicas and counts each key once.  Exit code 0: "
        "all was read, 1: some lines cannot be read, 2: a file cannot be read.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="log with the usage record; - is stdin")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.set_defaults(run=usage.run)


def _digest(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("digest", help="print the digest of a Tenant's identity facts, for status.kyc.covers")
    parser.add_argument("-f", "--file", type=pathlib.Path, action="append", required=True, metavar="FILE", dest="files")
    parser.set_defaults(run=digest.run)


def _catalogue(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "catalogue",
        help="list the chips, their figures and their control entries",
        description="The entry is computed from the figures by the rules in force at the instant; the maker's own "
        "classification governs.  Exit code 0: done, 2: bad input.",
    )
    parser.add_argument("--at", metavar="DATE", help="a date or an instant (RFC 3339); default is now")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument(
        "-f",
        "--file",
        type=pathlib.Path,
        action="append",
        default=[],
        metavar="FILE",
        dest="files",
        help="AcceleratorClasses to list too",
    )
    parser.set_defaults(run=catalogue.run)


def _profile(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("profile", help="list the built-in rules, or print one set as an AccessPolicy")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the built-in sets of rules, and what of each is applied")
    listing.add_argument("--at", metavar="DATE", help="a date or an instant (RFC 3339); default is now")
    listing.add_argument("-o", "--output", choices=("table", "json"), default="table")
    listing.set_defaults(run=profile.run_list)
    showing = actions.add_parser("show", help="print one, to be applied or changed")
    showing.add_argument("name", metavar="NAME")
    showing.set_defaults(run=profile.run_show)


def _ownership(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("ownership", help="take over what registers publish of who owns whom")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    importing = actions.add_parser(
        "import",
        help="print the parties, ownership and ultimate parent of one tenant",
        description="Prints a part of a Tenant's spec for a person to check; nothing is written anywhere.  "
        "Exit code 0: printed, 2: a file cannot be used, with the record and the field that is wrong.",
    )
    importing.add_argument(
        "--format",
        choices=("bods", "gleif"),
        required=True,
        help="bods: Beneficial Ownership Data Standard 0.4, JSON; gleif: level 2 XML, with level 1 beside it for names",
    )
    importing.add_argument(
        "--for",
        required=True,
        metavar="ID",
        dest="entity",
        help="the tenant: its LEI or other registered identifier, in bods also a record or statement id",
    )
    importing.add_argument("files", type=pathlib.Path, nargs="+", metavar="FILE")
    importing.set_defaults(run=ownership.run)


def _screen(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "screen",
        help="search a list of restricted parties for every tenant, its owners and parents",
        description="Shows which tenants would change and how; with --write it writes their status.screening.  Exit "
        "code 0: nobody is on the list, 1: somebody is or may be, 2: it cannot be done, or not for every tenant.",
    )
    parser.add_argument(
        "--list", type=pathlib.Path, required=True, metavar="FILE", help="Consolidated Screening List, CSV or JSON"
    )
    parser.add_argument(
        "--tenants", default="cluster", metavar="PATH", help="file or folder with Tenants; default is the cluster"
    )
    parser.add_argument("--kubeconfig", type=pathlib.Path, help="the cluster; inside a pod its own")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="screen the Tenant of this name alone; repeat"
    )
    writing = parser.add_mutually_exclusive_group()
    writing.add_argument("--write", action="store_true", help="write status.screening")
    writing.add_argument("--dry-run", action="store_true", help="write nothing, which is the default")
    parser.add_argument("--as-of", metavar="INSTANT", help="date of the list (RFC 3339); default is the file's time")
    parser.add_argument(
        "--threshold", type=int, choices=range(60, 101), default=THRESHOLD, metavar="PERCENT", help="alike from here"
    )
    parser.add_argument("--accept", action="store_true", help="take a list that is older or much shorter than the last")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="go on, and follow the file as it changes")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.set_defaults(run=_run_screen)


def _run_screen(arguments: argparse.Namespace) -> int:
    """Import what compares names only where it is needed: it is tens of megabytes."""
    from admission.cli import screen  # noqa: PLC0415

    return screen.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
