"""What is scraped of the served certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from admission.server.metrics import counters, gauge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric

    from admission.server.figures import Samples
    from admission.server.tls import Certificate


def certificate_figures(certificate: Certificate) -> Iterable[Metric]:
    """Return when what is served ends, whether it is the current one, and how often it was loaded."""
    ends: Samples = {(name,): end for name, end in certificate.ends().items()}
    reloads: Samples = {(result,): float(certificate.reloads[result]) for result in ("ok", "failed")}
    return (
        gauge(
            "computegate_certificate_expiry_timestamp_seconds",
            "End of the served certificate, of its authority, and of that of clients.",
            ends,
            ("certificate",),
        ),
        gauge(
            "computegate_certificate_current",
            "Whether what is served is what the files hold, and clients may believe it.",
            {(): float(certificate.current)},
            (),
        ),
        counters("computegate_certificate_reloads", "Certificates that were to be loaded.", reloads, ("result",)),
    )
