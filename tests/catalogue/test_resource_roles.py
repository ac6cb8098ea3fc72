"""Resource names: devices, shares of them, and what is none of our business."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.catalogue.resources import ResourceRole, is_extended, role

COUNT, SHARE, QUALIFIER, ALL, HARMLESS, UNKNOWN, NATIVE = ResourceRole

ROLES = [
    ("nvidia.com/gpu", COUNT, "nvidia"),
    ("nvidia.com/gpu.shared", COUNT, "nvidia"),
    ("nvidia.com/mig-1g.10gb.me.shared", COUNT, "nvidia"),
    ("nvidia.com/h100", COUNT, "nvidia"),
    ("nvidia.com/GP102GL_Tesla_P40", COUNT, "nvidia"),
    ("nvidia.com/gpumem-percentage", QUALIFIER, "nvidia"),
    ("nvidia.com/rdma_shared_device_a", HARMLESS, "nvidia"),
    ("nvidia.com/hostdev", HARMLESS, "nvidia"),
    ("nvidia.com/hostdev2", COUNT, "nvidia"),
    ("amd.com/gpu", COUNT, "amd"),
    ("amd.com/cpx_nps4", COUNT, "amd"),
    ("gpu.intel.com/xe", COUNT, "intel"),
    ("gpu.intel.com/xe_monitoring", ALL, "intel"),
    ("gpu.intel.com/millicores", QUALIFIER, "intel"),
    ("habana.ai/gaudi", COUNT, "intel"),
    ("google.com/tpu", COUNT, "google"),
    ("cloud-tpus.google.com/preemptible-v3", SHARE, "google"),
    ("aws.amazon.com/neuron", COUNT, "aws"),
    ("aws.amazon.com/neuroncore", SHARE, "aws"),
    ("huawei.com/Ascend910B3", COUNT, "huawei"),
    ("huawei.com/Ascend910B3-memory", QUALIFIER, "huawei"),
    ("volcano.sh/vgpu-number", COUNT, "volcano"),
    ("volcano.sh/vgpu-memory", QUALIFIER, "volcano"),
    ("aliyun.com/gpu-mem", SHARE, "aliyun"),
    ("tencent.com/vcuda-core", SHARE, "tencent"),
    ("tencent.com/vcuda-memory", QUALIFIER, "tencent"),
    ("koordinator.sh/gpu-memory-ratio", SHARE, "koordinator"),
    ("cambricon.com/mlu370.smlu.vcore", QUALIFIER, "cambricon"),
    ("cambricon.com/vmlu", COUNT, "cambricon"),
    ("iluvatar.ai/BI-V100-vgpu", COUNT, "iluvatar"),
    ("iluvatar.ai/BI-V100.vMem", QUALIFIER, "iluvatar"),
    ("metax-tech.com/vmemory", QUALIFIER, "metax"),
    ("furiosa.ai/rngd-2core.12gb", COUNT, "furiosa"),
    ("deviceclass.resource.kubernetes.io/gpu.example.com", COUNT, "dra"),
    ("vpc.amazonaws.com/efa", HARMLESS, "network"),
    ("rdma/ib", HARMLESS, "network"),
    ("networking.gke.io.networks/rdma-0", HARMLESS, "network"),
    ("vke.volcengine.com/rdma", HARMLESS, "network"),
    ("vke.volcengine.com/gpu", UNKNOWN, ""),
    ("devices.kubevirt.io/kvm", HARMLESS, "kubevirt"),
    ("smarter-devices/nvidia0", UNKNOWN, ""),
    ("example.com/gpu", UNKNOWN, ""),
    ("notnvidia.com/gpu", UNKNOWN, ""),
    ("rdma.example.com/ib", UNKNOWN, ""),
    ("networking.gke.io.example/gpu", UNKNOWN, ""),
    ("cpu", NATIVE, "kubernetes"),
    ("hugepages-2Mi", NATIVE, "kubernetes"),
    ("attachable-volumes-aws-ebs", NATIVE, "kubernetes"),
    ("kubernetes.io/batch-cpu", NATIVE, "kubernetes"),
    ("", NATIVE, "kubernetes"),
]


@pytest.mark.parametrize(("resource", "kind", "vendor"), ROLES, ids=[row[0] for row in ROLES])
def test_a_resource_has_its_role(resource: str, kind: ResourceRole, vendor: str) -> None:
    found = role(resource)

    assert (kind, vendor) == (found.kind, found.vendor)
    assert is_extended(resource) is (kind is not NATIVE)


@pytest.mark.parametrize(
    ("resource", "units", "chip", "devices"),
    [
        ("tencent.com/vcuda-core", 100, None, 1),
        ("tencent.com/vcuda-core", 30, None, 1),
        ("tencent.com/vcuda-core", 201, None, 3),
        ("koordinator.sh/gpu", 200, None, 2),
        ("aws.amazon.com/neuroncore", 2, None, 1),
        ("aws.amazon.com/neuroncore", 8, None, 4),
        ("aws.amazon.com/neuroncore", 8, "trainium2", 2),
        ("aws.amazon.com/neuroncore", 8, "no-such-chip", 4),
        ("aliyun.com/gpu-mem", 80, None, 1),
        ("aliyun.com/gpu-mem", 0, None, 0),
        ("nvidia.com/gpu", 8, "h100-sxm", 8),
    ],
    ids=str,
)
def test_units_of_a_share_are_rounded_up_to_devices(resource: str, units: int, chip: str | None, devices: int) -> None:
    assert devices == role(resource).devices(units, chip)


@given(domain=st.from_regex(r"[a-z]{1,12}\.example\.(com|org)", fullmatch=True), name=st.text(min_size=1, max_size=40))
def test_a_domain_that_nobody_listed_is_never_harmless(domain: str, name: str) -> None:
    resource = f"{domain}/{name}"

    assert role(resource).kind is (UNKNOWN if "kubernetes.io/" not in resource else NATIVE)
