"""Writing what was read from a file into Tenants: all of it is checked and tried before the first is written.

The API server has no transaction over objects.  What can be known beforehand is: transitions, digests, ages, and, by a
dry run of every write, its own rules and guards.  What fails after that is named, and the same file can be run again.
"""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING, NamedTuple

from admission.cluster.clearances import NoTenant
from admission.cluster.client import ClusterError
from admission.review import deliveries
from admission.tenants.verification import NotAllowed, Result, advance

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from admission.api.clearance import KYC
    from admission.api.tenant import Tenant
    from admission.cli.rows import Row
    from admission.cluster.clearances import Clearances


class CannotAttest(Exception):  # noqa: N818 (a verdict)
    """Something of it cannot be written; nothing was, unless the message says otherwise."""


class Write(NamedTuple):
    """One write to come: where it stands in the file, a line for people, and how it is done."""

    where: str
    shown: tuple[str, ...]
    do: Callable[[bool], Awaitable[None]]
    """Asked with True, it is only tried on the API server."""


class Plan:
    """What is to be written, and what cannot be."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.problems: list[str] = []

    async def carry_out(self, *, dry_run: bool) -> None:
        """Try every write, then do them.  Raises ``CannotAttest``."""
        for write in self.writes if not self.problems else ():
            try:
                await write.do(True)
            except ClusterError as error:
                self.problems.append(f"{write.where}: {error}")
        if self.problems:
            raise CannotAttest("\n".join([*self.problems, f"{len(self.problems)} problems; nothing was written"]))
        for done, write in enumerate(self.writes if not dry_run else ()):
            try:
                await write.do(False)
            except ClusterError as error:
                rest = len(self.writes) - done
                raise CannotAttest(
                    f"{write.where}: {error}\n{done} were written, {rest} not; run the file again"
                ) from error


async def write_all(clearances: Clearances, rows: Iterable[Row], *, dry_run: bool) -> int:
    """Write the clearances that rows attest, and print what becomes of each.  Raises ``CannotAttest``."""
    plan, now = Plan(), dt.datetime.now(dt.UTC)
    shown = [("TENANT", "WAS", "BECOMES", "VERIFIED", "ENDS")]
    for row in rows:
        try:
            tenant = await clearances.read(row.verification.tenant)
            step = advance(tenant.status.kyc, row.verification, now, first=True)
        except (NotAllowed, NoTenant, ClusterError) as error:
            plan.problems.append(f"{row.where}: {error}")
            continue
        if step.result is Result.OutOfOrder:
            plan.problems.append(f"{row.where}: asOf: {deliveries.cluster_newer(_known(tenant.status.kyc))}")
        shown.append(_line(tenant, step.kyc, step.result, now))
        if step.kyc is not None:
            plan.writes.append(Write(row.where, shown[-1], _writing(clearances, tenant, step.kyc)))
    await plan.carry_out(dry_run=dry_run)
    print(columns(shown))
    say_done(len(plan.writes), dry_run=dry_run)
    return 0


def _known(kyc: KYC | None) -> dt.datetime | None:
    return (kyc.as_of or kyc.verified_at) if kyc else None


def _writing(clearances: Clearances, tenant: Tenant, kyc: KYC) -> Callable[[bool], Awaitable[None]]:
    return lambda dry_run: clearances.write(tenant, {"kyc": kyc}, dry_run=dry_run)


def _line(tenant: Tenant, kyc: KYC | None, result: Result, now: dt.datetime) -> tuple[str, str, str, str, str]:
    was = tenant.status.kyc.state if tenant.status.kyc else "-"
    if kyc is None:
        return tenant.name, was, f"- ({result})", "-", "-"
    return tenant.name, was, kyc.state, age(kyc.verified_at, now), day(kyc.expires_at)


def say_done(number: int, *, dry_run: bool) -> None:
    """Say on standard error what was done."""
    print(f"{number} {'would be' if dry_run else 'were'} written", file=sys.stderr)


def age(instant: dt.datetime | None, now: dt.datetime) -> str:
    """Return how long ago an instant was, in days; - where nobody knows."""
    return f"{(now - instant).days}d ago" if instant else "-"


def day(instant: dt.datetime | None) -> str:
    """Return the day of an instant, UTC, unless that is past the calendar; - where there is none."""
    if instant is None:
        return "-"
    try:
        return instant.astimezone(dt.UTC).date().isoformat()
    except OverflowError:
        return instant.date().isoformat()


def columns(rows: Sequence[tuple[str, ...]]) -> str:
    """Return rows as a table, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
