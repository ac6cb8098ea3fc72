"""What a write of one of our objects breaks: it is refused for that, and for nothing that was wrong before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from admission.api.accelerator import AcceleratorClass, AcceleratorPool
from admission.api.quota import ComputeQuota
from admission.catalogue.catalogue import Catalogue
from admission.decide.registry import Registry
from admission.decide.written import Consequences, Write, consequences_of
from admission.review import fitting
from tests.decide.questions import NOW, grant, policy, quota, rule, tenant

if TYPE_CHECKING:
    from admission.api.object import Object
    from admission.api.policy import AccessPolicy

UK = rule("d", "Deny", ("Headquarters", "In", "UK"))
FR = rule("f", "Deny", ("Headquarters", "In", "FR"))
EU = rule("e", "Deny", ("Headquarters", "In", "EU"))
OURS = [{"name": "ours", "countries": ["DE", "FR"]}]
NO_UK = "rule d names UK, which is no country code of ISO 3166-1; GB is"
NO_OURS = "names the group ours, which nobody defines"


def chip(name: str, *resources: str) -> AcceleratorClass:
    body = {"resources": resources or (f"example.com/{name}",)}
    return AcceleratorClass.model_validate({"metadata": {"name": name}, "spec": body})


def pool(country: str) -> AcceleratorPool:
    body = {"nodeLabels": {"a": "b"}, "acceleratorClass": "t4", "resources": ["nvidia.com/gpu"]}
    return AcceleratorPool.model_validate(
        {"metadata": {"name": "pool"}, "spec": {**body, "place": {"country": country}}}
    )


def owned(share: int, second: int) -> Any:
    """A tenant below one party, which two others own."""
    parties = [{"id": name, "name": name} for name in ("top", "one", "two")]
    shares = [("top", "tenant", 100), ("one", "top", share), ("two", "top", second)]
    stated = [{"owner": owner, "owned": whom, "share": {"exact": exact}} for owner, whom, exact in shares]
    return tenant(independent="absent", parties=parties, ownership=stated)


def order(name: str, *countries: str) -> AccessPolicy:
    return policy(name=name, jurisdictionOrder=list(countries))


def found(write: Write, *others: Object) -> Consequences:
    registry = Registry(Catalogue.builtin())
    for each in (*others, *([write.before] if write.before else [])):
        registry.put(each)
    return consequences_of(write, registry, NOW)


def write(before: Object | None, after: Object | None) -> Write:
    known = after or before
    assert known is not None
    return Write(type(known), known.name, before, after)


def attesting(*ends: str) -> Any:
    """A tenant with attestations of this year's first day, until these instants."""
    said = {"facts": ["TenantKind"], "by": "Tenant", "at": "2026-01-01T00:00:00Z"}
    return tenant(attestations=[{**said, "validUntil": end} for end in ends])


FIRST, ANEW = "2026-01-01T00:00:00+00:00", "when it was attested; attest anew before"
LAST, LATE, LATER = "2027-01-02T00:00:00Z", "2027-01-02T00:00:01Z", "2126-01-01T00:00:00Z"
BREAKS: dict[str, tuple[Write, tuple[Object, ...], list[tuple[str, str]]]] = {
    "a new policy with a word that means nothing": (
        write(None, policy(UK)),
        (),
        [("spec.rules[0].when[0].values[0]", f"AccessPolicy access: {NO_UK}")],
    ),
    "a policy that observes": (write(None, policy(UK, mode="observe")), (), []),
    "a policy that observed and enforces": (
        write(policy(UK, mode="observe"), policy(UK)),
        (),
        [("spec.rules[0].when[0].values[0]", f"AccessPolicy access: {NO_UK}")],
    ),
    "one fault of two is mended": (write(policy(UK, EU), policy(FR, EU)), (), []),
    "a fault moves with its rule": (write(policy(FR, UK), policy(UK)), (), []),
    "a second fault beside the first": (
        write(policy(UK), policy(UK, EU)),
        (),
        [
            (
                "spec.rules[1].when[0].values[0]",
                "AccessPolicy access: rule e names EU, which is no country code of ISO 3166-1",
            )
        ],
    ),
    "another object is wrong already": (write(None, policy(FR, name="other")), (policy(UK),), []),
    "a second order of jurisdictions": (
        write(None, order("two", "CN")),
        (order("one", "CN"),),
        [("spec.jurisdictionOrder", "AccessPolicies one, two each set jurisdictionOrder; leave one")],
    ),
    "one order of three is taken back": (write(order("b", "CN"), order("b")), (order("a", "CN"), order("c", "CN")), []),
    "a group that a quota names is taken away": (
        write(policy(groups=OURS), policy()),
        (quota("q", "ours"),),
        [("spec.jurisdictions[0]", f"ComputeQuota q {NO_OURS}")],
    ),
    "a policy goes whose group a quota names": (
        write(policy(groups=OURS), None),
        (quota("q", "ours"),),
        [("spec.jurisdictions[0]", f"ComputeQuota q {NO_OURS}")],
    ),
    "a policy goes whose group another defines too": (
        write(policy(groups=OURS), None),
        (quota("q", "ours"), policy(name="other", groups=OURS)),
        [],
    ),
    "a class goes that a quota names": (
        write(chip("inhouse"), None),
        (quota("q", classes=["inhouse"]),),
        [("spec.classes[0]", "ComputeQuota q names the class inhouse, which nobody defines")],
    ),
    "a class goes that an authorization names": (write(chip("inhouse"), None), (grant(classes=["inhouse"]),), []),
    "a quota of a class that nobody defines": (
        write(None, quota("q", classes=["h100"])),
        (),
        [("spec.classes[0]", "ComputeQuota q names the class h100, which nobody defines")],
    ),
    "a resource of another class": (
        write(chip("two"), chip("two", "example.com/one")),
        (chip("one"),),
        [
            (
                "spec.resources[0]",
                "the resource example.com/one is claimed by the AcceleratorClasses one, two; leave one",
            )
        ],
    ),
    "a pool nowhere": (
        write(None, pool("UK")),
        (),
        [("spec.place.country", "AcceleratorPool pool: UK is no country code of ISO 3166-1; GB is")],
    ),
    "a tenant from nowhere": (
        write(None, tenant(headquarters="UK")),
        (),
        [("spec.headquarters", "Tenant acme: UK is no country code of ISO 3166-1; GB is")],
    ),
    "a tenant that was from nowhere already": (
        write(tenant(headquarters="UK"), tenant(headquarters="UK", payment=["Card"])),
        (),
        [],
    ),
    "an attestation of a year": (write(None, attesting(LAST)), (), []),
    "an attestation of more than a year": (
        write(attesting(LAST), attesting(LAST, LATE)),
        (),
        [
            (
                "spec.attestations[1].validUntil",
                f"Tenant acme: 2027-01-02T00:00:01+00:00 is more than 366 days after {FIRST}, {ANEW}",
            )
        ],
    ),
    "an attestation of more than a year that stands": (write(attesting(LATER), attesting(LAST, LATER)), (), []),
    "owners of more than the whole": (
        write(owned(60, 40), owned(60, 50)),
        (),
        [
            (
                "spec.ownership[1]",
                "Tenant acme: 110 percent of top are held directly together; correct it, or state ranges",
            )
        ],
    ),
}


@pytest.mark.parametrize(("written", "others", "broken"), BREAKS.values(), ids=BREAKS)
def test_a_write_is_refused_for_what_it_breaks_and_for_nothing_else(
    written: Write, others: tuple[Object, ...], broken: list[tuple[str, str]]
) -> None:
    consequences = found(written, *others)
    assert [(fitting.field(each.field), each.sentence) for each in consequences.broken] == broken


def test_what_was_wrong_and_stays_so_is_told() -> None:
    consequences = found(write(policy(UK, EU), policy(FR, EU)))
    assert [each.sentence for each in consequences.unmended] == [
        "AccessPolicy access: rule e names EU, which is no country code of ISO 3166-1"
    ]


def test_owners_that_belie_what_is_declared_are_a_remark_so_that_a_clearance_does_not_stay() -> None:
    """Refused, the Tenant would stay as it was: cleared, by a declaration that somebody found to be wrong."""
    parties = [{"id": "h", "name": "h"}, {"id": "cn", "name": "cn"}]
    shares = [{"owner": "h", "share": {"exact": 100}}, {"owner": "cn", "owned": "h", "share": {"exact": 60}}]
    declared: dict[str, Any] = {"ultimateParent": "h", "parties": parties}
    consequences = found(
        write(tenant(ownership=shares[:1], **declared), tenant(ownership=shares, independent="absent", **declared))
    )
    assert consequences.broken == ()
    assert [each.field for each in consequences.remarks] == [("spec", "ultimateParent")]


OVERLAP = "tests what access/a tests, of the same classes at once: Deny holds"


@pytest.mark.parametrize(
    ("written", "others", "told"),
    [
        (
            write(None, policy(rule("b", "Level", ("Place", "In", "FR")), name="other")),
            (policy(rule("a", "Deny", ("Place", "In", "FR"))),),
            [("other", OVERLAP)],
        ),
        (
            write(None, policy(rule("a", "Deny", ("Place", "In", "FR")))),
            (policy(rule("b", "Level", ("Place", "In", "FR")), name="other"),),
            [("other", OVERLAP)],
        ),
        (write(None, quota("q")), (policy(UK), policy(FR, name="other")), []),
    ],
    ids=["in the weaker rule", "by the stricter rule of another policy", "of nothing that it has to do with"],
)
def test_overlapping_rules_are_told_to_whoever_brings_them_together(
    written: Write, others: tuple[Object, ...], told: list[tuple[str, str]]
) -> None:
    remarks = [(each.name, each.sentence) for each in found(written, *others).remarks]
    assert [each for each in remarks if "allows anything" not in each[1]] == told


def test_a_quota_is_judged_beside_what_is_there_and_nothing_is_changed() -> None:
    registry = Registry(Catalogue.builtin())
    registry.put(policy(groups=OURS))
    generation = registry.generation
    consequences_of(write(None, quota("q", "ours")), registry, NOW)
    assert (registry.generation, registry.every(ComputeQuota)) == (generation, ())
