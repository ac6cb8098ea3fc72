"""A node's labels, a product name or a resource name, and the chip it stands for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.catalogue import tables
from admission.catalogue.catalogue import Catalogue
from admission.catalogue.chip import Chip
from admission.catalogue.control import Entry

CATALOGUE = Catalogue.builtin()
TODAY = datetime(2026, 11, 21, tzinfo=UTC)
PRODUCT, INSTANCE = "nvidia.com/gpu.product", "node.kubernetes.io/instance-type"
GKE, KARPENTER = "cloud.google.com/gke-accelerator", "karpenter.k8s.aws/instance-gpu-name"


@pytest.mark.parametrize(
    ("product", "name"),
    [
        ("NVIDIA-H100-80GB-HBM3", "h100-sxm"),
        ("NVIDIA-H100-80GB-HBM3-MIG-1g.10gb", "h100-sxm"),
        ("NVIDIA-H100-80GB-HBM3-MIG-1g.10gb.me-SHARED", "h100-sxm"),
        ("NVIDIA-H100-80GB-HBM3-SHARED", "h100-sxm"),
        ("NVIDIA-H100-PCIe", "h100-pcie"),
        ("NVIDIA-H100-NVL", "h100-nvl"),
        ("NVIDIA-H200", "h200-sxm"),
        ("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb-SHARED", "a100-40gb"),
        ("NVIDIA-A100-80GB-PCIe", "a100-80gb"),
        ("A100-SXM4-80GB", "a100-80gb"),
        ("NVIDIA-A800-SXM4-80GB", "a800"),
        ("NVIDIA-A10", "a10"),
        ("NVIDIA-A10G-SHARED", "a10g"),
        ("NVIDIA-A10-24Q", "a10"),
        ("GRID-T4-1Q", "t4"),
        ("GRID-A100-20C", "a100-80gb"),
        ("Tesla-T4-SHARED", "t4"),
        ("Tesla-V100-SXM2-16GB", "v100-sxm"),
        ("NVIDIA-L4", "l4"),
        ("NVIDIA-L40S", "l40s"),
        ("NVIDIA-GeForce-RTX-4090-D", "rtx-4090-d"),
        ("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", "rtx-pro-6000"),
        ("NVIDIA H100 80GB HBM3", "h100-sxm"),
        ("NVIDIA-H100-80GB-HBM3-OTHER", None),
        ("NVIDIA-R200", None),
        ("-MIG-1g.5gb-SHARED", None),
        ("", None),
        ("x" * 100_000, None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_product_label_names_its_whole_chip(product: str, name: str | None) -> None:
    assert name == CATALOGUE.by_node_labels({PRODUCT: product})
    assert name == CATALOGUE.by_product(product)


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({GKE: "nvidia-tesla-a100"}, "a100-40gb"),
        ({GKE: "nvidia-h100-mega-80gb"}, "h100-sxm"),
        ({"cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice"}, "tpu-v5e"),
        ({"gpu.nvidia.com/class": "A100_NVLINK_80GB"}, "a100-80gb"),
        ({"amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM"}, "mi300x"),
        ({"amd.com/gpu.product-name": "Instinct_MI300X"}, "mi300x"),
        ({"amd.com/gpu.device-id": "74a2"}, "mi308x"),
        ({INSTANCE: "p5.48xlarge"}, "h100-sxm"),
        ({INSTANCE: "p5en.48xlarge"}, "h200-sxm"),
        ({"beta.kubernetes.io/instance-type": "p5.48xlarge"}, "h100-sxm"),
        ({INSTANCE: "g6f.large"}, "l4"),
        ({INSTANCE: "trn2.48xlarge"}, "trainium2"),
        ({INSTANCE: "Standard_NC40ads_H100_v5"}, "h100-nvl"),
        ({INSTANCE: "BM.GPU.MI355X-v1.8"}, "mi355x"),
        ({INSTANCE: "g2-standard-96"}, "l4"),
        ({INSTANCE: "m7i.large"}, None),
        ({KARPENTER: "a100"}, "a100-80gb"),
        ({KARPENTER: "a100", INSTANCE: "p4d.24xlarge"}, "a100-40gb"),
        ({PRODUCT: "NVIDIA-R200", INSTANCE: "p5.48xlarge"}, None),
        ({PRODUCT: "NVIDIA-R200", INSTANCE: "g4dn.xlarge"}, None),
        ({PRODUCT: "NVIDIA-R200", KARPENTER: "t4"}, None),
        ({PRODUCT: "NVIDIA-R200", GKE: "nvidia-tesla-t4"}, None),
        ({PRODUCT: "", INSTANCE: "g4dn.xlarge"}, None),
        ({PRODUCT: "Tesla-T4", "amd.com/gpu.product-name": "Instinct_MI900"}, None),
        ({GKE: "nvidia-r200", INSTANCE: "g4dn.xlarge"}, None),
        ({GKE: "nvidia-r200", KARPENTER: "t4"}, None),
        ({GKE: "nvidia-r200", "gpu.nvidia.com/class": "H200"}, "h200-sxm"),
        ({PRODUCT: "Tesla-T4", "gpu.nvidia.com/class": "Turing"}, "t4"),
        ({INSTANCE: "our-own-rack", KARPENTER: "t4"}, "t4"),
        ({PRODUCT: "Tesla-T4", INSTANCE: "p5.48xlarge"}, "h100-sxm"),
        ({"kubernetes.io/arch": "amd64"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_a_nodes_labels_name_its_chip(labels: dict[str, str], name: str | None) -> None:
    assert name == CATALOGUE.by_node_labels(labels)


@pytest.mark.parametrize(
    ("label", "value", "names"),
    [
        (PRODUCT, "NVIDIA-H100-80GB-HBM3", {"h100-sxm"}),
        (PRODUCT, "NVIDIA-H100-80GB-HBM3-MIG-*", {"h100-sxm"}),
        (PRODUCT, "NVIDIA-H200*", {"h200-sxm", "h200-nvl"}),
        (PRODUCT, "Tesla-T4*", {"t4", "t4g"}),
        (PRODUCT, "NVIDIA-R200*", set()),
        ("beta.kubernetes.io/instance-type", "p5en.*", {"h200-sxm"}),
        (INSTANCE, "p5en.48xlarge", {"h200-sxm"}),
        ("example.com/rack", "r-*", set()),
    ],
)
def test_a_value_or_its_beginning_names_every_chip_that_it_can_stand_for(
    label: str, value: str, names: set[str]
) -> None:
    assert names == CATALOGUE.named_by(label, value)


def test_a_beginning_of_any_product_is_one_of_them_all() -> None:
    assert (
        CATALOGUE.named_by(PRODUCT, "*")
        == CATALOGUE.named_by(PRODUCT, "NVIDIA-*")
        == set(CATALOGUE.chips) - {name for name, chip in CATALOGUE.chips.items() if not chip.aliases}
    )


def test_every_name_in_the_data_is_a_chip() -> None:
    named = {row["class"] for row in tables.rows("labels.tsv")} | set(
        tables.document("resources.toml")["chips"].values()
    )

    assert named <= set(CATALOGUE.chips)


def test_no_two_chips_share_a_product_name_and_each_name_is_recognised() -> None:
    for chip in CATALOGUE.chips.values():
        assert {chip.name} >= {CATALOGUE.by_product(alias) for alias in chip.aliases}


def test_a_resource_name_clears_nothing_by_itself() -> None:
    names = tables.document("resources.toml")["chips"]

    assert CATALOGUE.by_resource("nvidia.com/h100") == "h100-sxm"
    assert CATALOGUE.by_resource("nvidia.com/gpu") is None
    assert all(CATALOGUE.entry(name, TODAY) is not Entry.NONE for name in names.values())


def test_the_operators_classes_come_before_the_built_in_ones() -> None:
    ours = Chip("r200", "Rubin", ("R200",), "nvidia", ((4, 25_000.0),), None, None, data_center=True)
    tame = Chip("t4", "T4", (), "nvidia", ((16, 1.0),), None, None, data_center=True)
    labels = [("example.com/rack", "r-*", "r200"), ("example.com/rack", "r-old-*", "t4")]
    extended = CATALOGUE.adding([ours, tame], {"example.com/r200": "r200"}, labels)

    assert extended.by_resource("example.com/r200") == "r200"
    assert extended.by_product("NVIDIA-R200-SHARED") == "r200"
    assert extended.by_node_labels({"example.com/rack": "r-7", PRODUCT: "Tesla-T4"}) == "r200"
    assert extended.by_node_labels({"example.com/rack": "r-old-7"}) == "t4"
    assert extended.by_node_labels({PRODUCT: "Tesla-T4"}) == "t4"
    assert (extended.tpp("t4"), extended.tpp("no-such-chip")) == (16, 100_000)
    assert (CATALOGUE.tpp("t4"), CATALOGUE.chip("r200")) == (1042, None)


@given(st.dictionaries(st.sampled_from([PRODUCT, INSTANCE, GKE, KARPENTER]), st.text(max_size=80)))
def test_any_label_value_is_a_chip_or_nothing(labels: dict[str, str]) -> None:
    name = CATALOGUE.by_node_labels(labels)

    assert name is None or name in CATALOGUE.chips
