"""What the HTTP layer is told: addresses, entries, time-outs and bounds, and what it counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

ENTRIES = (("enforced", 512), ("observed", 128), ("workloads", 32), ("objects", 8))
"""Webhook entries and how many reviews of each may be in work at once.  Each has its own bound, so that
the others cannot starve the first one, which denies."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one client, and all of them together, can make the server hold.

    Seconds and bytes.  An idle connection is kept longer than the 90 s after which Go's transport, and so
    the API server, drops it itself: closed from this side, it could cross a POST, which is not retried.
    """

    body_bytes: int = 8 << 20  # object and oldObject of at most 3 MiB each, as the API server accepts them
    held_bytes: int = 64 << 20  # bodies of all requests together; the last half is kept for the first entry
    head_bytes: int = 64 << 10
    connections: int = 1000
    handshake_seconds: float = 5.0
    head_seconds: float = 10.0
    body_seconds: float = 10.0  # to send a body, and to read answers
    idle_seconds: float = 300.0
    linger_seconds: float = 2.0  # reading on after our last byte, so that no reset overtakes it (RFC 9112, 9.6)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where to listen and how long to wait.

    Port 0 takes a free one.  ``margin_seconds`` is what is kept of the API server's time-out for the way
    back; ``default_seconds`` stands in when a request names none; ``longest_seconds`` is the largest
    ``timeoutSeconds`` that Kubernetes accepts.  ``client_names`` are the common names that may ask for a
    review when client certificates are verified; empty means any that the client CA signed.
    """

    host: str = "127.0.0.1"
    port: int = 8443
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 9090
    debug_port: int | None = None  # of the profile, on the loopback; None means that there is none
    entries: tuple[tuple[str, int], ...] = ENTRIES
    limits: Limits = Limits()
    default_seconds: float = 10.0
    longest_seconds: float = 30.0
    margin_seconds: float = 1.0
    drain_seconds: float = 10.0  # after SIGTERM: until every API server has heard of the changed endpoints
    keep_seconds: float = 0.0  # for a kept connection to be used once more after that, and so be told of the end
    interrupt_seconds: float = 0.2  # after SIGINT, at a terminal
    finish_seconds: float = 30.0  # for what is still in work when the listener has closed
    client_certificates: bool = False
    client_names: frozenset[str] = frozenset()


OUTCOMES = ("answered", "busy", "overrun", "malformed", "refused", "error", "gone")
CAUSES = ("head", "body", "idle", "unread", "head_bytes", "malformed", "evicted", "full", "accept")


@dataclass(slots=True)
class Counts:
    """What the HTTP layer counts, as plain numbers that a metrics collector reads at a scrape.

    ``requests`` by entry and outcome: ``answered``, ``busy`` (over the bound), ``overrun`` (over its budget),
    ``malformed`` (400), ``refused`` (another 4xx, or 503 for want of memory), ``error`` (500), ``gone`` (the
    client left before its body was complete).
    ``closed`` by cause: ``head``, ``body``, ``idle``, ``unread`` (time-outs), ``head_bytes``, ``malformed``,
    ``evicted`` (the longest idle one, to make room), ``full`` (no room), ``accept`` (the system had none to
    give, mostly for want of file descriptors).
    ``in_flight`` by entry and ``connections`` are what is open at this moment.
    """

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    handshakes_failed: int = 0
    in_flight: Counter[str] = field(default_factory=Counter)
    connections: int = 0
