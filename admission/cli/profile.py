"""``computegate profile``: the built-in rules, as AccessPolicies that are ready to be applied."""

from __future__ import annotations

import sys
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import yaml

from admission.api.policy import AccessPolicy, Mode
from admission.cli.files import Document
from admission.cli.files import parse as parsed
from admission.cli.instant import instant
from admission.decide.applied import APPLIED, in_force

if TYPE_CHECKING:
    import argparse
    import datetime as dt
    from collections.abc import Iterable

AS_OF, SUMMARY = "computegate.io/as-of", "computegate.io/summary"


class Profile(NamedTuple):
    """A built-in policy: its YAML as it is printed, the day on which its facts were read, and the object."""

    text: str
    as_of: str
    summary: str
    policy: AccessPolicy


class Row(msgspec.Struct, frozen=True):
    """A profile in a list: of its rules those applied at the instant, and those that nobody has confirmed."""

    name: str
    as_of: str
    summary: str
    mode: str
    rules: int
    applied: tuple[str, ...]
    not_applied: dict[str, str]
    unconfirmed: tuple[str, ...]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's."""
    parser = commands.add_parser("profile", help="list the built-in rules, or print one set as an AccessPolicy")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the built-in sets of rules, and what of each is applied")
    listing.add_argument("--at", metavar="DATE", help="a date or an instant (RFC 3339); default is now")
    listing.add_argument("-o", "--output", choices=("table", "json"), default="table")
    listing.set_defaults(run=run_list)
    showing = actions.add_parser("show", help="print one, to be applied or changed")
    showing.add_argument("name", metavar="NAME")
    showing.set_defaults(run=run_show)


def profiles() -> dict[str, Profile]:
    """Return the built-in profiles by name."""
    folder = resources.files("admission.catalogue").joinpath("profiles")
    texts = (each.read_text(encoding="utf-8") for each in folder.iterdir() if each.name.endswith(".yaml"))
    found = sorted((_profile(text) for text in texts), key=lambda each: each.policy.name)
    return {each.policy.name: each for each in found}


def _profile(text: str) -> Profile:
    content = yaml.safe_load(text)
    policy = parsed(Document("profile", 0, content))
    assert isinstance(policy, AccessPolicy)
    notes = content["metadata"]["annotations"]
    return Profile(text, notes[AS_OF], notes[SUMMARY], policy)


def run_list(arguments: argparse.Namespace) -> int:
    """Print the profiles; 0, or 2 for an instant that is none."""
    try:
        at = instant(arguments.at)
    except ValueError as error:
        print(f"computegate profile: {error}", file=sys.stderr)
        return 2
    rows = [_row(each, at) for each in profiles().values()]
    if arguments.output == "json":
        print(msgspec.json.format(msgspec.json.encode(rows)).decode())
    else:
        _print(rows)
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    """Print one profile; 0, or 2 for a name that is none."""
    known = profiles()
    if arguments.name not in known:
        print(f"computegate profile: no {arguments.name[:63]!r}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    print(known[arguments.name].text, end="")
    return 0


def _row(profile: Profile, at: dt.datetime) -> Row:
    policy = profile.policy
    applied = [rule.name for rule in policy.spec.rules if in_force(rule, at)]
    others = {rule.name: rule.status for rule in policy.spec.rules if rule.name not in applied}
    return Row(
        name=policy.name,
        as_of=profile.as_of,
        summary=profile.summary,
        mode=str(policy.spec.mode),
        rules=len(policy.spec.rules),
        applied=tuple(applied),
        not_applied={name: "OutsideItsDates" if status in APPLIED else status for name, status in others.items()},
        unconfirmed=tuple(rule.name for rule in policy.spec.rules if rule.certainty == "Unconfirmed"),
    )


def _print(rows: Iterable[Row]) -> None:
    for row in rows:
        denies = "" if row.mode == Mode.Enforce else f" in mode {row.mode}, which denies nothing"
        rules = f"{len(row.applied)} of {row.rules} rules applied{denies}"
        print(f"{row.name:20}  as of {row.as_of}  {rules}  {row.summary}")
        for name, why in row.not_applied.items():
            print(f"{'':20}  not applied: {name} ({why})")
        for name in row.unconfirmed:
            print(f"{'':20}  unconfirmed: {name}")
