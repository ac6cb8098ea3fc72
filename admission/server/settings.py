"""The configuration files of ``computegate serve`` and ``computegate kyc serve``."""

from __future__ import annotations

import hashlib
import ipaddress
import pathlib
from typing import Annotated, Literal, Self, TypeVar

import pydantic
import yaml
from pydantic.alias_generators import to_camel

from admission.api.object import Country, distinct
from admission.api.policy import Mode
from admission.decide.shards import FEWEST, MOST
from admission.server.claims import MAKERS
from admission.server.log import Format, Level
from admission.tenants.providers.delivery import Provider


class SettingsError(ValueError):
    """The file cannot be used; the message names the key and what to write."""


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid", use_attribute_docstrings=True
    )


T = TypeVar("T", bound=_Part)

Port = Annotated[int, pydantic.Field(ge=0, le=65535)]


class Listen(_Part):
    """Where to listen; port 0 takes a free one."""

    host: str = "0.0.0.0"  # noqa: S104 (a pod is reached from outside by design)
    port: Port = 8443
    metrics_host: str = "0.0.0.0"  # noqa: S104 (likewise)
    metrics_port: Port = 9090


class TLS(_Part):
    """The serving certificate, reloaded when its files change."""

    cert_file: pathlib.Path = pathlib.Path("/etc/computegate/tls/tls.crt")
    key_file: pathlib.Path = pathlib.Path("/etc/computegate/tls/tls.key")


class LogSettings(_Part):
    """What is said on standard error."""

    level: Level = "info"
    """The least that is said; of other libraries only warnings are."""
    format: Format = "json"
    """One JSON object in a line, or text for a terminal."""


class SelfManaged(_Part):
    """An authority of our own, kept in a Secret of our own namespace and made anew before it ends."""

    secret: Annotated[str, pydantic.Field(min_length=1)]
    """Its name."""
    names: Annotated[list[str], pydantic.Field(min_length=1)]
    """The names by which the API server calls us."""
    webhook_configurations: Annotated[list[str], pydantic.Field(min_length=1)]
    """ValidatingWebhookConfigurations that are to trust it."""
    certificate_days: Annotated[float, pydantic.Field(gt=0)] = 90
    """Life of a serving certificate; it is replaced after two thirds of it."""
    authority_days: Annotated[float, pydantic.Field(gt=0, le=36500)] = 730
    """Life of an authority; likewise."""
    settle_seconds: Annotated[float, pydantic.Field(ge=0)] = 30
    """How long a new authority is trusted in the configurations before it signs: every API server has heard by then."""

    @pydantic.field_validator("names")
    @classmethod
    def _as_written_in_certificates(cls, names: list[str]) -> list[str]:
        return [_address(name) or name for name in names]


def _address(name: str) -> str:
    """Return an IP address as a certificate's is read, or nothing for what is none."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return ""


class ServingTLS(TLS):
    """The certificate of the port of reviews, and who may ask for them there."""

    server_name: str = ""
    """The name by which the API server calls us; a certificate for others is told of.  Empty means any."""
    self_managed: SelfManaged | None = None
    """Make and renew the certificate; absent means that somebody else writes the files."""
    client_ca_file: pathlib.Path | None = None
    """Authorities of client certificates (PEM); a review then needs one.  Absent means that nobody needs any."""
    client_names: list[str] = []
    """Common names of those that may ask for reviews."""

    @pydantic.model_validator(mode="after")
    def _both(self) -> Self:
        if bool(self.client_ca_file) != bool(self.client_names):
            raise ValueError("clientCaFile and clientNames go together: whose certificates, and in which names")
        return self


class LedgerSettings(_Part):
    """Waits of the ledger, in seconds, and its parts."""

    rebuild_seconds: Annotated[float, pydantic.Field(ge=0)] = 44
    """How long a new ledger is seen uncounted before it is counted; longer than a create can be under way."""
    expire_seconds: Annotated[float, pydantic.Field(ge=0)] = 44
    """How long a reservation stands before its absence may be proved."""
    shards: int = 0
    """Ledgers over which the tenants of one quota are spread, 2 to 64; 0 keeps them in one. Not for standalone mode."""

    @pydantic.field_validator("shards")
    @classmethod
    def _number(cls, shards: int) -> int:
        if shards and not FEWEST <= shards <= MOST:
            raise ValueError(f"write 0, or a number from {FEWEST} to {MOST}")
        return shards


class WorkloadSettings(_Part):
    """What is said when a workload is created, before its pods are."""

    deny: bool = False
    """Refuse, in enforced namespaces, workloads whose pods would be denied; else warn only."""
    kinds_file: pathlib.Path | None = None
    """Table of kinds of workloads besides the known ones (TOML), read again when it changes."""
    deadline_seconds: Annotated[int, pydantic.Field(gt=0)] | None = None
    """The end that a policy of the cluster gives to accelerator pods of enforced namespaces that name none."""


class GateSettings(_Part):
    """What the gate's own alarm is told."""

    config_map: str = "computegate-gate"
    """ConfigMap in our own namespace that says what was installed; the chart writes it."""
    digest: str = ""
    """SHA-256, in hexadecimal, of what it says for the release of this replica; empty means that none is known."""
    grace_seconds: Annotated[float, pydantic.Field(ge=0, le=60)] = 20
    """How long differences are let stand after an upgrade: it writes one object after another."""
    audit_seconds: Annotated[float, pydantic.Field(gt=0, le=300)] = 30
    """Time between two looks at the rights of the server, and at whether reviews can reach it."""


class CanarySettings(_Part):
    """Pods that are asked for by dry run, to see that the gate stands."""

    seconds: Annotated[float, pydantic.Field(ge=0, le=60)] = 0
    """Time between two rounds; 0 asks for none."""
    namespace: str = "computegate-canary"
    """Where they are asked for: an enforced namespace of nobody, with a ResourceQuota of the same name and no pods."""


class EnforcementSettings(_Part):
    """How pods that run are judged again."""

    sweep_seconds: Annotated[float, pydantic.Field(ge=1, le=86400)] = 600
    """Between two full sweeps; what decides about a tenant is acted on at once."""
    evict: bool = False
    """Whether the server was granted to evict and delete pods."""
    suspend: bool = False
    """Whether it was granted to suspend what makes pods."""


class RecordFileSettings(_Part):
    """The file that has the record besides standard output."""

    path: pathlib.Path
    """Its name, such as ``record.jsonl``; full ones stand beside it, numbered.  ``{replica}`` is the pod's name."""
    max_bytes: Annotated[int, pydantic.Field(ge=65536)] = 64 * 1024 * 1024
    """The size at which the next one is begun."""
    keep_files: Annotated[int, pydantic.Field(ge=0)] = 16
    """Full ones that stay."""
    keep_days: Annotated[float, pydantic.Field(gt=0)] | None = None
    """Days after its last line at which a full one goes; absent means that age removes none."""
    sync: bool = False
    """Wait for the disk with each write; else the operating system writes when it likes."""


class RecordSettings(_Part):
    """Where decisions are recorded, and what happens while they cannot be."""

    file: RecordFileSettings | None = None
    on_failure: Literal["Count", "Deny"] = "Count"
    """Count what is lost, or deny what is controlled (TryAgain) and answer nothing that is not recorded."""
    key_file: pathlib.Path | None = None
    """Ed25519 private key (PEM) that signs checkpoints; absent means a key made of the one of references."""


class Settings(_Part):
    """Everything ``computegate serve`` is told."""

    mode: Mode = Mode.Observe
    """Mode of namespaces without a mode label."""
    contact: Annotated[str, pydantic.Field(max_length=200)] = ""
    """Printed at the end of denials: whom to ask."""
    default_place: Country | None = None
    """Country of nodes that no AcceleratorPool declares; absent means unknown."""
    excluded_namespaces: list[str] = []
    """Namespaces that are not judged."""
    claim_makers: list[str] = list(MAKERS)
    """Users who make resource claims for pods (claim controllers, schedulers): these are held against the pod."""
    drain_seconds: Annotated[float, pydantic.Field(ge=0, le=300)] = 20
    """How long to go on answering after SIGTERM."""
    keep_seconds: Annotated[float, pydantic.Field(ge=0, le=300)] = 95
    """How long after its last answer a kept connection is served then; an API server drops it after 90 s."""
    listen: Listen = Listen()
    log: LogSettings = LogSettings()
    debug_port: Annotated[int, pydantic.Field(ge=0, le=65535)] | None = None
    """Port of the profile, on 127.0.0.1 alone, 0 for a free one; absent means that there is none."""
    tls: ServingTLS = ServingTLS()
    ledger: LedgerSettings = LedgerSettings()
    workloads: WorkloadSettings = WorkloadSettings()
    gate: GateSettings = GateSettings()
    canary: CanarySettings = CanarySettings()
    enforcement: EnforcementSettings = EnforcementSettings()
    record: RecordSettings = RecordSettings()
    reference_key_file: pathlib.Path | None = None
    """File with the key of references, and beside it ``previous`` and ``next``; absent means the Secret named below."""
    reference_secret: str = "computegate-reference"  # noqa: S105 (a name)
    """Secret in our own namespace that holds the key, and these two; made at the first start."""
    stale_seconds: Annotated[float, pydantic.Field(gt=0)] = 90
    """Silence about any collection after which what decides is too old to decide on: the revocation bound."""
    _digest: str = pydantic.PrivateAttr("")

    @property
    def digest(self) -> str:
        """By what the text that they were read from is known (``digest_of``); "" for defaults."""
        return self._digest

    last_good_seconds: Annotated[float, pydantic.Field(ge=0, le=86400)] = 3600
    """How long the last good version of a broken object counts beside it; then requests for accelerators wait."""

    @pydantic.model_validator(mode="after")
    def _ports(self) -> Self:
        ports = {"listen.port": self.listen.port, "listen.metricsPort": self.listen.metrics_port}
        if self.debug_port is not None:
            ports["debugPort"] = self.debug_port
        taken = [key for key, port in ports.items() if port and list(ports.values()).count(port) > 1]
        if taken:
            raise ValueError(f"{' and '.join(taken)} are the same port: choose another")
        return self


class ReceiverSettings(_Part):
    """Everything ``computegate kyc serve`` is told."""

    providers: Annotated[list[Provider], pydantic.Field(min_length=1, max_length=64), distinct("name")]
    """Whose deliveries are taken."""
    secrets_folder: pathlib.Path = pathlib.Path("/etc/computegate/kyc/secrets")
    """A file for each provider, of its name, with one secret on a line, or two during a rotation."""
    mappings_folder: pathlib.Path | None = None
    """Mappings besides the packaged ones (TOML); read once, at the start."""
    drain_seconds: Annotated[float, pydantic.Field(ge=0, le=300)] = 5
    """How long to go on answering after SIGTERM."""
    listen: Listen = Listen(port=8444, metrics_port=9091)
    log: LogSettings = LogSettings()
    tls: TLS | None = None
    """The serving certificate; absent means plain HTTP, for where TLS ends before it."""


def read_settings(path: pathlib.Path | None) -> Settings:
    """Read the file, or return the defaults; raises ``SettingsError``."""
    if path is None:
        return Settings()
    settings, text = _read(path, Settings)
    settings._digest = digest_of(text)  # noqa: SLF001  (no key of the file)
    return settings


def digest_of(text: bytes) -> str:
    """Return by what settings are known to be those of the release: SHA-256 in hexadecimal, as the chart has it."""
    return hashlib.sha256(text).hexdigest()


def read_receiver_settings(path: pathlib.Path) -> ReceiverSettings:
    """Read the file; raises ``SettingsError``."""
    return _read(path, ReceiverSettings)[0]


def _read(path: pathlib.Path, kind: type[T]) -> tuple[T, bytes]:
    try:
        text = path.read_bytes()
        return kind.model_validate(yaml.safe_load(text.decode()) or {}), text
    except pydantic.ValidationError as error:
        raise SettingsError(f"{path}: {explain_validation(error)}") from None
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: {' '.join(str(error).split())}") from None


def explain_validation(error: pydantic.ValidationError) -> str:
    """Return one line that names each field and what is wrong with it."""
    return "; ".join(
        f"{'.'.join(str(part) for part in each['loc']) or 'the object'}: {each['msg']}" for each in error.errors()
    )
