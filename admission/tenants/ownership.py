"""Ownership of 50 percent or more, cascaded step by step and added up over several owners.

The arithmetic of OFAC's FAQ 398 to 402 and of 90 FR 47201: an entity that is owned 50 percent or more, in
aggregate, by parties of a set belongs to the set itself, whatever the arithmetic share along the chain; control
without ownership does not count.  Shares that are known only as a range, or not at all, give a lower and an upper
bound: the cascade is computed for both, and what only the upper one reaches is unknown.  Cycles and cross-holdings
end at the least fixpoint, as both cascades only ever add.  What statements say together is in ``holdings``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from admission.api.identity import TENANT_ITSELF
from admission.tenants.attributed import Attribution
from admission.tenants.holdings import HALF, NOTHING, WHOLE, Bounds, Pool, amount, pools_of
from admission.tenants.kinds import believed_type, kind_belied
from admission.tenants.room import Room
from admission.tenants.ternary import Ternary
from admission.tenants.topmost import OWNERLESS, is_top

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from admission.api.identity import Ownership, Party, TenantSpec

UNNAMED = "?"
"""Stands for whoever holds the shares that no statement accounts for; no party can have this id."""


class _Held(NamedTuple):
    """One holding as its owner sees it; ``pool`` is the place among all pools."""

    owned: str
    pool: int
    bounds: Bounds
    alone: int


@dataclass(frozen=True, slots=True)
class OwnershipGraph:
    """Who owns how much of whom: for each owned party its pools of holders, unaccounted shares included."""

    pools: Mapping[str, tuple[Pool, ...]]
    parties: Mapping[str, Party]
    unaccounted: Mapping[str, int]
    """Of each party that may have owners: the most that one of whom nothing is stated may hold."""
    contradictory: tuple[str, ...]
    """The owned parties whose statements cannot all be true."""
    _controlled: Mapping[str, tuple[str, ...]]
    """Whom each party controls by what is stated, whatever it owns."""
    _held: Mapping[str, tuple[_Held, ...]]
    _lower: tuple[int, ...]
    """What is held for certain of each pool, by its place among all pools."""

    def owned_by(self, member: Callable[[str], Ternary]) -> Ternary:
        """Whether the tenant is owned 50 percent or more, in aggregate, by parties for whom ``member`` holds.

        Statements that contradict each other make it unknown.
        """
        if self.contradictory:
            return Ternary.UNKNOWN
        if self.owned_for_certain(lambda party: member(party) is Ternary.TRUE):
            return Ternary.TRUE
        possible = self._closure(self._owners(lambda party: member(party) is not Ternary.FALSE), certain=False)
        return Ternary.UNKNOWN if TENANT_ITSELF in possible else Ternary.FALSE

    def owned_for_certain(self, member: Callable[[str], bool]) -> bool:
        """Whether what is stated reaches the tenant from these parties, even where statements contradict each other."""
        return TENANT_ITSELF in self._closure(self._owners(member), certain=True)

    def controlled_by(self, owners: Iterable[str]) -> bool:
        """Whether these parties control the tenant by what is stated, step by step with those whom they own."""
        return TENANT_ITSELF in self._closure(owners, certain=True, control=True)

    def most_held(self, owners: Iterable[str]) -> int:
        """The most that these parties, with all whom they may own, have of the tenant together, by what is stated.

        In billionths of a percent.
        """
        meant = frozenset(owners)
        whole = self._closure(meant, certain=False) - {TENANT_ITSELF}
        held = {party: frozenset(each.owned for each in holdings) for party, holdings in self._held.items()}
        return Attribution(self.pools, held, meant, whole).of(TENANT_ITSELF)

    def tops(self) -> frozenset[str]:
        """The parties that own half or more of the tenant for certain, and that none of these owns so itself.

        Of parties that own each other, all are at the top.
        """
        owned = {party: self._closure((party,), certain=True) for party in self._held.keys() - {TENANT_ITSELF, UNNAMED}}
        above = {party for party, inside in owned.items() if TENANT_ITSELF in inside}
        return frozenset(
            party for party in above if not any(party in owned[one] and one not in owned[party] for one in above)
        )

    def contradicts(self, top: str) -> str:
        """Return a firm or a state that belies that nobody stands above ``top``, a party or the tenant; "" for none.

        One that owns half or more of it for certain and is not owned so by it; or half or more of the tenant, of which
        the party at the top has less and which it cannot have through that one.
        """
        owned = {top} if top == TENANT_ITSELF else self._closure((top,), certain=True)
        spared = self._held.keys() if TENANT_ITSELF in owned else self._closure((top,), certain=False)
        for party in sorted(self._held.keys() - {TENANT_ITSELF, UNNAMED}):
            inside = self._closure((party,), certain=True) if not self._is_natural(party) else set()
            if (top in inside and party not in owned) or (TENANT_ITSELF in inside and party not in spared):
                return party
        return self._controls_beside(top)

    def _controls_beside(self, top: str) -> str:
        """Return a firm or a state that controls ``top``, or the tenant without being below ``top``; "" for none.

        Step by step, over those whom it controls or owns for certain; so is who is below ``top``.
        """
        below = self._closure((top,), certain=True, control=True)
        above = {party: self._closure(them, certain=True, control=True) for party, them in self._controlled.items()}
        firms = (each for each in sorted(above.keys() - {top, TENANT_ITSELF}) if not self._is_natural(each))
        beside = (each for each in firms if top in above[each] or (TENANT_ITSELF in above[each] and each not in below))
        return next(beside, "")

    def _is_natural(self, party: str) -> bool:
        return party in self.parties and believed_type(self.parties[party]) == "NaturalPerson"

    def unnamed_from(self, percent: float) -> bool:
        """Whether somebody whom nobody has named may hold so much of the tenant, or of one who holds so much of it.

        Step by step, as for the half: of each party that may hold ``percent`` or more the owners are asked for, too.
        """
        least = amount(percent)
        seen, waiting = {TENANT_ITSELF}, [TENANT_ITSELF]
        while waiting:
            party = waiting.pop()
            if self.unaccounted.get(party, 0) >= least or not self._is_named(party):
                return True
            significant = {owner for pool in self.pools.get(party, ()) for owner in _from(pool, least)}
            waiting += significant - seen - {UNNAMED}
            seen |= significant
        return bool(self.contradictory)

    def _owners(self, member: Callable[[str], bool]) -> Iterable[str]:
        """The owners that are meant; the tenant may own shares of its own owners, and is not meant."""
        return (party for party in self._held if party != TENANT_ITSELF and member(party))

    def _is_named(self, party: str) -> bool:
        return party == TENANT_ITSELF or (party in self.parties and bool(self.parties[party].name.strip()))

    def _closure(self, start: Iterable[str], *, certain: bool, control: bool = False) -> set[str]:
        """Return these parties and all that they hold half or more of, step by step: each holding is looked at once.

        With ``control`` also all whom they control.
        """
        inside = set(start)
        waiting = list(inside)
        lower: defaultdict[int, int] = defaultdict(int)
        upper: defaultdict[int, int] = defaultdict(int)
        while waiting:
            party = waiting.pop()
            controlled = set(self._controlled.get(party, ()) if control else ()) - inside
            inside |= controlled
            waiting += controlled
            for held in self._held.get(party, ()):
                lower[held.pool] += held.bounds.lower
                upper[held.pool] += held.bounds.upper
                if held.owned in inside:
                    continue
                sum_ = lower[held.pool] if certain else self._most(held.pool, lower[held.pool], upper[held.pool])
                if max(sum_, held.alone) >= HALF:
                    inside.add(held.owned)
                    waiting.append(held.owned)
        return inside

    def _most(self, pool: int, lower: int, upper: int) -> int:
        """The upper bounds together, and no more than what the others leave for certain."""
        return min(upper, WHOLE - (self._lower[pool] - lower))


def _from(pool: Pool, least: int) -> set[str]:
    """Return the owners that may have so much of a pool, directly or through others."""
    owners = pool.direct.keys() | pool.most_through.keys()
    return {
        each for each in owners if max(pool.direct.get(each, NOTHING).upper, pool.most_through.get(each, 0)) >= least
    }


def graph_of(spec: TenantSpec) -> OwnershipGraph:
    """Return the ownership graph above a tenant."""
    stated: dict[str, list[Ownership]] = {}
    for statement in spec.ownership:
        stated.setdefault(statement.owned, []).append(statement)
    parties = {party.id: party for party in spec.parties}
    pools = {party: pools_of(stated.get(party, ())) for party in (TENANT_ITSELF, *parties)}
    ends = {party.id for party in spec.parties if believed_type(party) != "Entity"}
    full = {party: each if party in ends else _accounted(each) for party, each in pools.items()}
    room = Room(full, UNNAMED)
    tops = {party for party in _tops(spec) if not any(_hides(pool, room) for pool in pools.get(party, ()))}
    counted = {party: pools[party] if party in tops else each for party, each in full.items()}
    held, lower = _from_owners(counted)
    return OwnershipGraph(
        pools=counted,
        parties=parties,
        unaccounted=_unaccounted(spec, pools),
        contradictory=tuple(party for party, each in full.items() if any(_contradicts(pool, room) for pool in each)),
        _controlled=_controlled_by(spec.ownership),
        _held=held,
        _lower=lower,
    )


def _controlled_by(statements: Iterable[Ownership]) -> dict[str, tuple[str, ...]]:
    controlled: defaultdict[str, list[str]] = defaultdict(list)
    for each in statements:
        if each.interest == "Control":
            controlled[each.owner].append(each.owned)
    return {owner: tuple(each) for owner, each in controlled.items()}


def _tops(spec: TenantSpec) -> set[str]:
    """Return those of whom it is declared that nobody stands above them, besides natural persons and states."""
    return ({spec.ultimate_parent} if spec.ultimate_parent else set()) | ({TENANT_ITSELF} if is_top(spec) else set())


def _hides(pool: Pool, room: Room) -> bool:
    """Whether somebody may hold more through others than its named holders have for that, so that there are others."""
    return not all(room.has(owner, most, pool) for owner, most in pool.most_through.items())


def _accounted(pools: tuple[Pool, ...]) -> tuple[Pool, ...]:
    """Give what nobody holds for certain to an unnamed owner, up to all of it."""
    return tuple(
        replace(pool, direct={**pool.direct, UNNAMED: Bounds(0, pool.unaccounted())}) if pool.unaccounted() else pool
        for pool in pools or (Pool({}, {}, {}, {}),)
    )


def _unaccounted(spec: TenantSpec, pools: Mapping[str, tuple[Pool, ...]]) -> dict[str, int]:
    """Return what is open of each party that somebody may hold shares of, no more than it declares of others."""
    below = {party.id: party.others_below for party in spec.parties if believed_type(party) == "Entity"}
    if spec.kind not in OWNERLESS or kind_belied(spec):
        below[TENANT_ITSELF] = spec.others_below
    return {
        party: min(
            max((pool.unaccounted() for pool in pools[party]), default=WHOLE),
            WHOLE if declared is None else amount(declared) - 1,
        )
        for party, declared in below.items()
    }


def _contradicts(pool: Pool, room: Room) -> bool:
    """Whether more than everything is held, or somebody holds through others what these do not have."""
    if max(pool.lower, *pool.alone.values(), 0) > WHOLE:
        return True
    return not all(room.has(owner, least, pool) for owner, least in pool.through.items())


def _from_owners(pools: Mapping[str, tuple[Pool, ...]]) -> tuple[dict[str, tuple[_Held, ...]], tuple[int, ...]]:
    """Turn pools of owned parties into holdings of owners, and the pools' sums of lower bounds."""
    held: defaultdict[str, list[_Held]] = defaultdict(list)
    lower: list[int] = []
    for party, each in pools.items():
        for pool in each:
            for owner in {**pool.direct, **pool.alone}:
                bounds, alone = pool.direct.get(owner, NOTHING), pool.alone.get(owner, 0)
                held[owner].append(_Held(party, len(lower), bounds, alone))
            lower.append(pool.lower)
    return {owner: tuple(each) for owner, each in held.items()}, tuple(lower)
