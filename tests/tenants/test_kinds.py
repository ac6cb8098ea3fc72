"""A company does not become a person or a state by its own word: its name is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.api.identity import Party, TenantSpec
from admission.tenants.kinds import believed_type, kind_belied, legal_form


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Brise Holdings Pte. Ltd.", "pte ltd"),
        ("Brise Compute AG", "ag"),
        ("Brise B.V.", "bv"),
        ("Brise AB", "ab"),
        ("Brise K.K.", "kk"),
        ("Brise NV (Belgium)", "nv"),
        ("Brise GmbH i.L.", "gmbh"),
        ("Brise Ltd (Singapore)", "ltd"),
        ("Brise LLC, Hong Kong Branch Office", "llc"),
        ("Brise Corporation Singapore", "corporation"),
        ("Brise (Pte) Limited, Singapore Branch", "limited"),
        ("OOO Briz", "ooo"),
        ("\u0410\u041e \u00ab\u0411\u0440\u0438\u0437\u00bb", "\u0430\u043e"),
        (
            "\u6df1\u5733\u5fae\u5149\u6709\u9650\u516c\u53f8\u65b0\u52a0\u5761\u5206\u516c\u53f8",
            "\u6709\u9650\u516c\u53f8",
        ),
        ("\u3231\u30d3\u30ea\u30ba", "\u682a\u5f0f\u4f1a\u793e"),
        ("Brise Growth VCC", "vcc"),
        ("Brise Rechen gGmbH", "ggmbh"),
        ("Brise SE & Co. KGaA", "se co kgaa"),
        ("Brise Forschung e.V.", "eingetragener verein"),
        ("Brise Data A/S", "aktieselskab"),
        ("Brise Lt\u00e9e", "lt\u00e9e"),
        ("Brise Compute Pvt", "pvt"),
        ("Brise L.L.C-FZ", "llc fz"),
        (
            "\u0e1a\u0e23\u0e34\u0e29\u0e31\u0e17 \u0e1a\u0e23\u0e35\u0e0b \u0e08\u0e33\u0e01\u0e31\u0e14",
            "\u0e1a\u0e23\u0e34\u0e29\u0e31\u0e17",
        ),
        ("SAS Brise", "sas"),
        ("Brise SAS", "sas"),
        ("Vera Sas", ""),
        ("Sas Beispiel", ""),
        ("Vera Pao", ""),
        ("Too Vera", ""),
        ("Vera A. S.", ""),
        ("Vera E. V.", ""),
        ("Vera Beispiel", ""),
        ("VERA BEISPIEL", ""),
        ("AB Beispiel", ""),
        ("Vera de Sa", ""),
        ("Vera Branch", ""),
        ("Ministry of Acme", ""),
    ],
)
def test_a_legal_form_is_seen_wherever_a_company_has_it_and_not_in_a_persons_name(name: str, form: str) -> None:
    assert legal_form(name) == form


@pytest.mark.parametrize(
    "name",
    [
        "\u6df1\u5733\u5fae\u5149\u79d1\u6280",
        "\u5fae\u5149\u5927\u5b66",
        "\u5fae\u5149\u7b2c\u4e00\u7814\u7a76\u9662",
        "\u67d0\u5b9e\u9a8c\u5ba4",
        "\u5fae\u5149\u534f\u4f1a",
    ],
)
def test_words_of_organisations_in_chinese_are_in_no_persons_name(name: str) -> None:
    individual = TenantSpec.model_validate({"legalName": name, "kind": "Individual"})
    government = TenantSpec.model_validate({"legalName": name, "kind": "Government"})
    assert kind_belied(individual).startswith("spec.legalName: ")
    assert kind_belied(government) == ""


@given(st.text(max_size=256), st.sampled_from(["Entity", "NaturalPerson", "State"]))
def test_any_name_is_read_and_a_party_is_only_ever_taken_for_an_entity_instead(name: str, declared: str) -> None:
    party = Party.model_validate({"id": "a", "name": name, "type": declared})
    assert believed_type(party) in {declared, "Entity"}
