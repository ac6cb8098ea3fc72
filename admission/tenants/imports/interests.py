"""Relationship records of the Beneficial Ownership Data Standard 0.4, as statements of ownership and control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from admission.tenants.imports.dates import moment_of
from admission.tenants.imports.decoding import decoded
from admission.tenants.imports.fragment import ImportProblem, Link

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Mapping

    from admission.tenants.imports.fragment import Node

_CONTROL = frozenset(
    {
        *("appointmentOfBoard", "otherInfluenceOrControl", "seniorManagingOfficial", "settlor", "trustee", "protector"),
        *("rightsGrantedByContract", "conditionalRightsGrantedByContract", "controlViaCompanyRulesOrArticles"),
        *("controlByLegalFramework", "boardMember", "boardChair", "nominee"),
    }
)
"""Interests that give a say and no part of what the entity is worth."""

_Type = Literal[
    "shareholding",
    "votingRights",
    "appointmentOfBoard",
    "otherInfluenceOrControl",
    "seniorManagingOfficial",
    "settlor",
    "trustee",
    "protector",
    "beneficiaryOfLegalArrangement",
    "rightsToSurplusAssetsOnDissolution",
    "rightsToProfitOrIncome",
    "rightsGrantedByContract",
    "conditionalRightsGrantedByContract",
    "controlViaCompanyRulesOrArticles",
    "controlByLegalFramework",
    "boardMember",
    "boardChair",
    "unknownInterest",
    "unpublishedInterest",
    "enjoymentAndUseOfAssets",
    "rightToProfitOrIncomeFromAssets",
    "nominee",
    "nominator",
]
_DIRECTNESS = {"direct": "Direct", "indirect": "Indirect", "unknown": "Unknown", None: "Unknown"}


class _Unspecified(msgspec.Struct):
    reason: Literal[
        "noBeneficialOwners",
        "subjectUnableToConfirmOrIdentifyBeneficialOwner",
        "interestedPartyHasNotProvidedInformation",
        "subjectExemptFromDisclosure",
        "interestedPartyExemptFromDisclosure",
        "unknown",
        "informationUnknownToPublisher",
    ]


class _Share(msgspec.Struct, rename="camel"):
    exact: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None


class _Interest(msgspec.Struct, rename="camel"):
    type: _Type | None = None
    direct_or_indirect: Literal["direct", "indirect", "unknown"] | None = None
    share: _Share | None = None
    start_date: str | None = None
    end_date: str | None = None


class _Relationship(msgspec.Struct, rename="camel"):
    subject: str | _Unspecified
    interested_party: str | _Unspecified
    interests: tuple[_Interest, ...] | None = None


_relationship = msgspec.json.Decoder(_Relationship)


def links_of(raw: msgspec.Raw, where: str, nodes: Mapping[str, Node], today: dt.date) -> tuple[list[Link], list[str]]:
    """Return what a relationship record states, and what a person should know of it.

    An interest that has ended is no more.  Raises ``ImportProblem`` naming the field.
    """
    found = decoded(_relationship, raw, f"{where}: recordDetails")
    if isinstance(found.subject, _Unspecified) or isinstance(found.interested_party, _Unspecified):
        missing = found.subject if isinstance(found.subject, _Unspecified) else found.interested_party
        reason = missing.reason if isinstance(missing, _Unspecified) else ""
        return [], [f"{where}: nobody is named ({reason}); what is held stays unaccounted for"]
    ends = {"subject": found.subject, "interestedParty": found.interested_party}
    for name, key in ends.items():
        if key not in nodes:
            raise ImportProblem(f"{where}: recordDetails.{name}: there is no open record {key[:64]!r}")
    stated = found.interests or (_Interest(),)
    interests = list(_current(stated, where, today))
    ended = len(stated) - len(interests)
    notes = [f"{where}: {ended} of its interests have ended, and do not count"] if ended else []
    return [_link(found.interested_party, found.subject, each, at) for at, each in interests], notes


def _current(interests: Iterable[_Interest], where: str, today: dt.date) -> Iterator[tuple[str, _Interest]]:
    for number, interest in enumerate(interests):
        at = f"{where}: recordDetails.interests[{number}]"
        started, ended = _day(interest.start_date, f"{at}.startDate"), _day(interest.end_date, f"{at}.endDate")
        if started is not None and ended is not None and ended < started:
            raise ImportProblem(f"{at}.endDate: {ended} is before its startDate, {started}")
        if started is not None and started > today:
            raise ImportProblem(f"{at}.startDate: {started} is in the future")
        if ended is None or ended > today:
            yield at, interest


def _day(text: str | None, at: str) -> dt.date | None:
    return None if text is None else moment_of(text, at).day


def _link(owner: str, owned: str, interest: _Interest, at: str) -> Link:
    kind = (
        "Control"
        if interest.type in _CONTROL
        else "VotingRights"
        if interest.type == "votingRights"
        else "Shareholding"
    )
    share = {} if kind == "Control" else _stated(interest.share or _Share(), f"{at}.share")
    return Link(owner, owned, kind, _DIRECTNESS[interest.direct_or_indirect], at, share)


def _stated(share: _Share, at: str) -> dict[str, float]:
    """Return exact alone where it is given: publishers repeat it as both bounds, which must then agree."""
    least = [each for each in (share.minimum, share.exclusive_minimum) if each is not None]
    most = [each for each in (share.maximum, share.exclusive_maximum) if each is not None]
    if share.exact is None:
        bounds = msgspec.structs.asdict(share)
        return {name: value for name, value in bounds.items() if value is not None}
    if any(each > share.exact for each in least) or any(each < share.exact for each in most):
        raise ImportProblem(f"{at}.exact: {share.exact:g} is not between its own bounds")
    return {"exact": share.exact}
