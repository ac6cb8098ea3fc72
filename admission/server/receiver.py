"""The ASGI app that takes deliveries of KYC providers: ``POST /kyc/<provider>``, ``/healthz`` and ``/readyz``.

    request ─► route ─► body ─► signed? ─► read ─► dated? ─► advance the Tenant's clearance ─► answer
               404 405   413     401 503    400     400       404 409 503                       200

A provider sends again what was not answered by 200: what can come right is repeated until it does, and what was already
told, or says nothing of a clearance, is answered 200.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from admission.cluster.clearances import NoTenant
from admission.cluster.client import ClusterError
from admission.review import deliveries
from admission.server.answer import Answer, Gone, Receive, Refused, Scope, Send, deliver, text
from admission.server.body import Bodies
from admission.server.metrics import counters
from admission.server.secrets import NoSecret
from admission.tenants.providers.delivery import BadDelivery, Provider, read
from admission.tenants.providers.signature import NotSigned, Stale
from admission.tenants.verification import BadDate, NotAllowed, Result, Verification, advance, check_dates

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client.metrics_core import Metric

    from admission.api.clearance import KYC
    from admission.cluster.clearances import Clearances
    from admission.server.config import Limits
    from admission.server.secrets import Secrets
    from admission.tenants.providers.mapping import Mapping as ProviderMapping
    from admission.tenants.verification import Step

_REFUSALS: dict[type[Exception], tuple[str, int]] = {
    NoSecret: ("no_secret", 503),
    NotSigned: ("not_signed", 401),
    Stale: ("stale", 400),
    BadDelivery: ("malformed", 400),
    BadDate: ("malformed", 400),
    NotAllowed: ("not_allowed", 409),
    NoTenant: ("unknown_tenant", 404),
}
"""What a refusal is called in the metrics, and the status of its answer."""

RESULTS = (
    *map(str, Result),
    *("ignored", "refused", "unavailable", "error"),
    *sorted({result for result, _ in _REFUSALS.values()}),
)
"""Everything that can come of a delivery."""

_STRANGERS = frozenset({"not_signed", "no_secret", "refused"})

MOST_AT_ONCE = 16
_PATH = "/kyc/"

_log = logging.getLogger(__name__)


class Source(NamedTuple):
    """A provider and the mapping that reads it."""

    provider: Provider
    mapping: ProviderMapping


class _Told(NamedTuple):
    """What came of a delivery: a word for the metrics, the answer, and what it was about."""

    result: str
    answer: Answer
    verification: Verification | None = None


class Receiver:
    """The app.  ``draining`` makes every answer the last on its connection and ``/readyz`` fail.

    ``unsure`` is why nobody knows what time ``now`` is, or "": how old a delivery is cannot be told then.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        secrets: Secrets,
        clearances: Clearances,
        *,
        limits: Limits,
        now: Callable[[], dt.datetime],
        unsure: Callable[[], str] = lambda: "",
    ) -> None:
        self._unsure = unsure
        self._sources: Mapping[str, Source] = {source.provider.name: source for source in sources}
        self._secrets, self._clearances, self._now = secrets, clearances, now
        self._bodies = Bodies(limits)
        self._in_work = 0
        self.results: Counter[tuple[str, str]] = Counter()
        self.draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        source = self._sources.get(path.removeprefix(_PATH)) if path.startswith(_PATH) else None
        answer = await self._take(source, scope, receive) if source else self._other(scope)
        if answer is not None:
            await deliver(answer, send, close=self.draining)

    def figures(self) -> Iterable[Metric]:
        """Return what is read at each scrape."""
        help_text = "Deliveries of KYC providers by what came of them."
        # What has not happened yet is 0: Prometheus does not see the first of a series as a growth.
        counted: dict[tuple[str, ...], float] = {(name, result): 0.0 for name in self._sources for result in RESULTS}
        counted |= {key: float(number) for key, number in dict(self.results).items()}
        return (counters("computegate_kyc_deliveries", help_text, counted, ("provider", "result")),)

    async def _take(self, source: Source, scope: Scope, receive: Receive) -> Answer | None:
        name, body = source.provider.name, b""
        try:
            self._admit(scope)
            body = await self._bodies.read(scope, receive)
            told = await self._told(source, _headers(scope), body)
        except Refused as refused:
            told = _Told("refused", refused.answer)
        except Gone:
            return None
        finally:
            self._bodies.free(body)
        self.results[name, told.result] += 1
        _report(name, told)
        return told.answer

    def _admit(self, scope: Scope) -> None:
        if scope["method"] != "POST":
            raise Refused(text(405, "send a POST", (b"allow", b"POST"), close=True))
        if self._in_work >= MOST_AT_ONCE:
            raise Refused(text(503, "too many deliveries at once", (b"retry-after", b"1"), close=True))

    async def _told(self, source: Source, headers: Mapping[str, str], body: bytes) -> _Told:
        self._in_work += 1
        verification = None
        try:
            self._require_time()
            verification = self._attested(source, headers, body)
            if verification is None:
                return _Told("ignored", text(200, "ignored"))
            taken = await self._clearances.advance(verification.tenant, self._step(verification))
        except ClusterError as error:
            _log.warning("the clearance of a delivery by %s cannot be written: %s", source.provider.name, error)
            return _Told("unavailable", text(503, deliveries.cluster_unavailable()), verification)
        except tuple(_REFUSALS) as error:
            result, status = _REFUSALS[type(error)]
            return _Told(result, text(status, str(error)), verification)
        except Exception as error:  # noqa: BLE001 - whatever it is, one delivery fails and the receiver goes on
            _log.error("a delivery by %s failed; it was answered with HTTP 500", source.provider.name, exc_info=error)
            return _Told("error", text(500, "internal error; see the log of the receiver"), verification)
        finally:
            self._in_work -= 1
        return _Told(taken.result, text(200, taken.result), verification)

    def _require_time(self) -> None:
        if self._unsure():
            raise ClusterError(self._unsure())

    def _step(self, verification: Verification) -> Callable[[KYC | None], Step]:
        """Return the step to take once the Tenant was read, by which the API server has said what time it is."""

        def step(current: KYC | None) -> Step:
            self._require_time()
            return advance(current, verification, self._now())

        return step

    def _attested(self, source: Source, headers: Mapping[str, str], body: bytes) -> Verification | None:
        """Return what a delivery attests; None where it is about something else.  Nothing unsigned is even parsed."""
        signature, now = source.mapping.signature, self._now()
        signature.verify(headers, body, self._secrets.of(source.provider.name), now)
        verification = read(body, source.mapping, source.provider)
        if verification is not None:
            signature.check_age(verification.as_of, now)
            check_dates(verification, now)
        return verification

    def _other(self, scope: Scope) -> Answer:
        if scope["path"] not in ("/healthz", "/readyz"):
            return text(404, "no such path", close=True)
        if scope["path"] == "/healthz":
            return text(200, "ok")
        reasons = ["draining"] if self.draining else [*self._secrets.problems(), *filter(None, [self._unsure()])]
        return text(503, "\n".join(reasons)) if reasons else text(200, "ok")


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _report(provider: str, told: _Told) -> None:
    """Say in the log what came of a delivery.  What anybody could send is counted alone: it must not fill the log."""
    about = told.verification
    if told.result in _STRANGERS:
        return
    what = f" tenant={about.tenant} state={about.state} reference={about.reference!r}" if about else ""
    _log.info("delivery provider=%s result=%s%s", provider, told.result, what)
