"""What a pod runs as: the account and the images, by which an exemption covers what the pod reaches unasked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from admission.demand.access import Access
    from admission.review.pod import Pod

DEFAULT_ACCOUNT = "default"
"""The ServiceAccount of a pod that names none."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """The account of a pod, and its images by the field in which the container stands: ``spec.containers[NAME]``."""

    account: str = DEFAULT_ACCOUNT
    images: Mapping[str, str] = field(default_factory=dict)
    every: frozenset[str] = frozenset()
    """All its images."""

    def images_behind(self, access: Access) -> frozenset[str]:
        """Return the image of the container that an access is of; all images where it is of the whole pod."""
        container = container_of(access)
        return frozenset({self.images[container]}) if container in self.images else self.every


def container_of(access: Access) -> str:
    """Return the field of the container that an access is of; of no container where it is of the whole pod."""
    return f"{access.field.partition('].')[0]}]"


def carrier_of(pod: Pod) -> Carrier:
    """Return what the pod runs as."""
    images = dict(_images(pod))
    return Carrier(pod.spec.service_account_name or DEFAULT_ACCOUNT, images, frozenset(images.values()))


def _images(pod: Pod) -> Iterator[tuple[str, str]]:
    for where, containers in (
        ("containers", pod.spec.containers),
        ("initContainers", pod.spec.init_containers),
        ("ephemeralContainers", pod.spec.ephemeral_containers),
    ):
        for container in containers or ():
            yield f"spec.{where}[{container.name}]", container.image
