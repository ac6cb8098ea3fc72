"""What the chart renders from its values, and what it refuses."""

import re
from pathlib import Path

import pytest
import yaml

from admission.server.settings import read_settings
from tests.chart.features import RECEIVER, SCREENING
from tests.chart.rendering import CHART, NAMESPACE, OUTSIDE, PEM, PROVIDED, RELEASE, Chart, Manifest, configuration

WEBHOOK = ("ValidatingWebhookConfiguration", RELEASE)
INJECT = "cert-manager.io/inject-ca-from"
RULES = "--set=prometheusRule.enabled=true"
MOUNT = ("--set=extraVolumes[0].name=more", "--set=extraVolumeMounts[0].name=more")
LEAST = "--set=podDisruptionBudget.maxUnavailable="
ROOT = CHART.parent.parent
EXCLUDED: dict[str, str] = yaml.safe_load((CHART / "files" / "excluded.yaml").read_text())
"""The chart's own list of namespaces that are left out, each with why."""


def entries(objects: dict[tuple[str, str], Manifest]) -> dict[str, Manifest]:
    return {entry["name"]: entry for entry in objects[WEBHOOK]["webhooks"]}


@pytest.mark.parametrize(
    "flags", [(), PROVIDED, OUTSIDE, SCREENING], ids=["defaults", "provided", "outside", "screening"]
)
def test_helm_lint_is_content(chart: Chart, flags: tuple[str, ...]) -> None:
    done = chart.run("lint", "--strict", str(CHART), *flags)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_value_has_a_sentence_and_a_schema() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    values = yaml.safe_load("\n".join(lines))
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    assert set(schema["properties"]) - {"global"} == set(values)
    leaves = [number for number, line in enumerate(lines) if re.match(r" *[a-zA-Z]+: \S", line)]
    inside = ("cpu", "memory")  # of resources, which has its sentence
    bare = [
        lines[n]
        for n in leaves
        if not lines[n - 1].lstrip().startswith("#") and lines[n].split(":")[0].strip() not in inside
    ]
    assert bare == []


@pytest.mark.parametrize(
    ("mode", "operator", "values"),
    [("observe", "In", ["enforce"]), ("warn", "In", ["enforce"]), ("enforce", "NotIn", ["observe", "warn"])],
)
def test_each_judged_namespace_is_either_enforced_or_observed(
    chart: Chart, mode: str, operator: str, values: list[str]
) -> None:
    objects = chart.render(f"--set=config.mode={mode}", "--set=config.excludedNamespaces={drivers}")
    names = [f"{name}.computegate.io" for name in ("observed", "enforced", "workloads", "objects")]
    assert list(entries(objects)) == names
    observed, enforced, workloads = (
        entries(objects)[name]["namespaceSelector"]["matchExpressions"] for name in names[:3]
    )
    outside = {
        "key": "kubernetes.io/metadata.name",
        "operator": "NotIn",
        "values": sorted([NAMESPACE, "drivers", "kube-system", *EXCLUDED]),
    }
    by_mode = {"key": "computegate.io/mode", "operator": operator, "values": values}
    otherwise = by_mode | {"operator": {"In": "NotIn", "NotIn": "In"}[operator]}
    assert (enforced, observed, workloads) == ([outside, by_mode], [outside, otherwise], [outside])
    config = yaml.safe_load(configuration(objects))
    assert config["mode"] == mode
    assert config["excludedNamespaces"] == outside["values"]


@pytest.mark.parametrize(
    ("flags", "more", "less"),
    [
        ((), set(), set()),
        (("--set=config.excludedNamespaces={storage}",), {"storage"}, set()),
        (("--set=config.excludedNamespaces=null",), set(), set()),
        (("--set=config.judgedNamespaces={gpu-operator,kube-flannel}",), set(), {"gpu-operator", "kube-flannel"}),
    ],
)
def test_namespaces_are_left_out_besides_those_that_a_node_needs(
    chart: Chart, flags: tuple[str, ...], more: set[str], less: set[str]
) -> None:
    config = yaml.safe_load(configuration(chart.render(*flags)))
    assert set(config["excludedNamespaces"]) == {NAMESPACE, "kube-system", *EXCLUDED, *more} - less


def test_the_namespaces_that_a_node_needs_are_documented() -> None:
    page = (ROOT / "docs" / "chart.md").read_text()
    assert [name for name, why in EXCLUDED.items() if f"| `{name}` | {why} |" not in page] == []


def test_both_entries_see_the_same_objects_and_only_one_may_refuse(chart: Chart) -> None:
    found = entries(chart.render())
    enforced, observed = found["enforced.computegate.io"], found["observed.computegate.io"]
    assert (enforced["failurePolicy"], enforced["timeoutSeconds"]) == ("Fail", 10)
    assert (observed["failurePolicy"], observed["timeoutSeconds"]) == ("Ignore", 2)
    for entry in (enforced, observed):
        assert entry["sideEffects"] == "NoneOnDryRun"
        assert entry["matchPolicy"] == "Equivalent"
        assert "objectSelector" not in entry
        assert [(rule["operations"], rule["resources"]) for rule in entry["rules"]] == [
            (["CREATE"], ["pods"]),
            (["UPDATE"], ["pods/ephemeralcontainers"]),
            (["UPDATE"], ["pods/resize"]),
            (["CREATE"], ["resourceclaims"]),
        ]
    assert enforced["matchConditions"] == observed["matchConditions"]
    assert enforced["clientConfig"]["service"]["path"] == "/validate/enforced"
    assert observed["clientConfig"]["service"]["path"] == "/validate/observed"


def test_the_entry_of_our_own_objects_never_hinders_who_mends_one(chart: Chart) -> None:
    entry = entries(chart.render())["objects.computegate.io"]
    assert (entry["failurePolicy"], entry["timeoutSeconds"], entry["namespaceSelector"]) == ("Ignore", 5, {})
    assert {scope for rule in entry["rules"] for scope in (rule["scope"], *rule["apiGroups"])} == {
        "Cluster",
        "computegate.io",
    }
    assert not any("/" in resource for rule in entry["rules"] for resource in rule["resources"])
    assert "objects.computegate.io" not in entries(chart.render("--set=webhook.objects.enabled=false"))


def test_an_api_server_stays_with_one_replica(chart: Chart) -> None:
    service = chart.render("--set=webhook.affinitySeconds=600")["Service", RELEASE]["spec"]
    assert service["sessionAffinity"] == "ClientIP"
    assert service["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 600}}


def test_bindings_are_judged_only_if_the_operator_says_so(chart: Chart) -> None:
    def resources(*flags: str) -> list[str]:
        return [
            each
            for rule in entries(chart.render(*flags))["enforced.computegate.io"]["rules"]
            for each in rule["resources"]
        ]

    assert resources("--set=webhook.bindings=true") == [*resources(), "pods/binding", "bindings"]


def test_cert_manager_issues_the_certificate_the_deployment_mounts(chart: Chart) -> None:
    objects = chart.render("--set=tls.mode=certManager")
    certificate = objects["Certificate", RELEASE]["spec"]
    volumes = {v["name"]: v for v in objects["Deployment", RELEASE]["spec"]["template"]["spec"]["volumes"]}
    assert certificate["secretName"] == volumes["tls"]["secret"]["secretName"]
    assert f"{RELEASE}.{NAMESPACE}.svc" in certificate["dnsNames"]
    assert objects[WEBHOOK]["metadata"]["annotations"][INJECT] == f"{NAMESPACE}/{RELEASE}"
    assert ("Issuer", certificate["issuerRef"]["name"]) in objects


def test_a_provided_certificate_needs_no_cert_manager(chart: Chart) -> None:
    objects = chart.render(*PROVIDED)
    assert not [kind for kind, _ in objects if kind in {"Certificate", "Issuer"}]
    assert INJECT not in objects[WEBHOOK]["metadata"]["annotations"]
    assert all(entry["clientConfig"]["caBundle"] for entry in entries(objects).values())


def test_a_server_outside_the_cluster_leaves_only_what_the_api_server_needs(chart: Chart) -> None:
    objects = chart.render(*OUTSIDE)
    assert not {kind for kind, _ in objects} & {"Deployment", "Service", "PodDisruptionBudget", "Certificate"}
    assert entries(objects)["enforced.computegate.io"]["clientConfig"]["url"] == (
        "https://127.0.0.1:8443/validate/enforced"
    )


def test_the_pods_run_without_privileges_and_the_old_ones_leave_last(chart: Chart) -> None:
    deployment = chart.render("--set=config.drainSeconds=40")["Deployment", RELEASE]["spec"]
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    pod = deployment["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > 40
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "cpu" not in container["resources"]["limits"]


def test_the_reference_key_is_mounted_or_kept_by_the_server(chart: Chart) -> None:
    own, given = chart.render(*PROVIDED), chart.render(*PROVIDED, "--set=reference.existingSecret=hmac")
    config = [yaml.safe_load(configuration(o)) for o in (own, given)]
    assert config[0]["referenceSecret"] == f"{RELEASE}-reference"
    assert config[1]["referenceKeyFile"] == "/etc/computegate/reference/key"
    volumes = given["Deployment", RELEASE]["spec"]["template"]["spec"]["volumes"]
    (volume,) = [each["projected"] for each in volumes if each["name"] == "reference"]
    needed, others = [each["secret"] for each in volume["sources"]]
    assert ([each["key"] for each in needed["items"]], "optional" in needed) == (["key"], False)
    assert ([each["path"] for each in others["items"]], others["optional"]) == (["previous", "next"], True)
    secrets = [[r for r in o["Role", RELEASE]["rules"] if r["resources"] == ["secrets"]] for o in (own, given)]
    assert [rule["verbs"] for rule in secrets[0]] == [["create"], ["get"]]
    assert secrets[1] == []


def test_the_server_reads_the_configuration_that_the_chart_renders(chart: Chart, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    ledger = ("ledger.rebuildSeconds=1", "ledger.forTests=true", "ledger.shards=4")
    config = ("contact=ask@example.com", "defaultPlace=DE", "mode=warn", *ledger, "listen.port=9443")
    for flags in ((), tuple(f"--set=config.{each}" for each in config)):
        path.write_text(configuration(chart.render(*flags)))
        settings = read_settings(path)
    assert (settings.contact, settings.default_place, settings.mode) == ("ask@example.com", "DE", "warn")
    assert (settings.ledger.rebuild_seconds, settings.ledger.shards, settings.listen.port) == (1, 4, 9443)
    assert settings.reference_secret == f"{RELEASE}-reference"
    assert "kube-system" in settings.excluded_namespaces


def test_a_digest_stands_behind_the_tag(chart: Chart) -> None:
    digest = "sha256:" + "0" * 64
    deployment = chart.render("--set=image.tag=v1", f"--set=image.digest={digest}")["Deployment", RELEASE]
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == f"computegate:v1@{digest}"


@pytest.mark.parametrize(("flag", "kept"), [("true", "keep"), ("false", None)], ids=["keep", "drop"])
def test_tenants_outlive_the_release_unless_asked(chart: Chart, flag: str, kept: str | None) -> None:
    objects = chart.render(f"--set=crds.keep={flag}")
    crds = [each for (kind, _), each in objects.items() if kind == "CustomResourceDefinition"]
    assert len(crds) == len(list((CHART / "files" / "crds").glob("*.yaml")))
    assert {crd["metadata"].get("annotations", {}).get("helm.sh/resource-policy") for crd in crds} == {kept}


def test_options_add_their_objects(chart: Chart) -> None:
    plain = set(chart.render())
    more = set(chart.render("--set=networkPolicy.enabled=true", "--set=serviceMonitor.enabled=true", *SCREENING))
    less = set(chart.render("--set=crds.enabled=false", "--set=guards.enabled=false", "--set=rbac.create=false"))
    screening = {"Deployment", "ServiceAccount", "ClusterRoleBinding"}
    assert {kind for kind, _ in more - plain} == {"NetworkPolicy", "ServiceMonitor", *screening}
    assert not {kind for kind, _ in less} & {"CustomResourceDefinition", "ValidatingAdmissionPolicy", "ClusterRole"}


def test_no_role_of_ours_can_attest_but_the_one_for_it(chart: Chart) -> None:
    objects = chart.render()
    rules = {name: o["rules"] for (kind, name), o in objects.items() if kind == "ClusterRole"}
    for verb, part in (("attest", "kyc"), ("attest-access", "access"), ("screen", "screening")):
        holding = [name for name, role in rules.items() if any(verb in rule["verbs"] for rule in role)]
        assert holding == [f"{RELEASE}-{part}"]
    assert all("*" not in rule[part] for role in rules.values() for rule in role for part in ("verbs", "resources"))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--set=tls.mode=provided"], "name the Secret with tls.crt and tls.key in tls.existingSecret"),
        (["--set=tls.mode=provided", "--set=tls.existingSecret=s"], "give the CA that signed the certificate"),
        (["--set=tls.existingSecret=s"], "tls.mode is selfManaged, but tls.existingSecret or tls.caBundle is set"),
        ([*PROVIDED[:2], "--set=tls.caBundle=TUlJQg=="], "tls.caBundle is not a PEM certificate"),
        (["--set=tls.clientCA=TUlJQg=="], "tls.clientCA is not a PEM certificate"),
        ([f"--set-literal=tls.clientCA={PEM}"], "name in tls.clientNames who of those that it signs"),
        (["--set=tls.clientNames={api}"], "give the CA that signs them in tls.clientCA"),
        (["--set=tls.selfManaged.authorityDays=90"], "certificateDays must be fewer than authorityDays"),
        (["--set=tls.mode=selfmanaged"], "/tls/mode"),
        (["--set=webhook.url=https://127.0.0.1:1"], "webhook.url is set: give the CA"),
        (["--set=screening.enabled=true"], "name the volume that holds the list in screening.volume"),
        ([*SCREENING, "--set=screening.file=../list.csv"], "/screening/file"),
        (["--set=podDisruptionBudget.minAvailable=2"], "either minAvailable or maxUnavailable"),
        ([LEAST, "--set=podDisruptionBudget.minAvailable=3"], "none of 3 replicas be evicted"),
        ([LEAST, "--set=podDisruptionBudget.minAvailable=100%"], "none of 3 replicas be evicted"),
        (["--set=podDisruptionBudget.maxUnavailable=0"], "none of 3 replicas be evicted"),
        (["--set=podDisruptionBudget.maxUnavailable=3"], "lets all 3 replicas be evicted at once"),
        (["--set=podDisruptionBudget.maxUnavailable=67%"], "lets all 3 replicas be evicted at once"),
        (["--set=updateStrategy.rollingUpdate.maxUnavailable=3"], "takes all 3 replicas down at once"),
        (["--set=updateStrategy.rollingUpdate.maxUnavailable=100%"], "takes all 3 replicas down at once"),
        (["--set=test.clearedNamespace=kube-system"], "test.clearedNamespace is kube-system, which is not judged"),
        (["--set=config.excludedNamespaces={computegate-test}"], "where helm test must be denied"),
        (
            ['--set-json=updateStrategy.rollingUpdate={"maxUnavailable":0,"maxSurge":0}'],
            "nothing could ever be replaced",
        ),
        (['--set-json=updateStrategy={"type":"Recreate","rollingUpdate":{}}'], "remove updateStrategy.rollingUpdate"),
        (["--set=hostNetwork=true", "--set=networkPolicy.enabled=true"], "close the ports on the nodes instead"),
        (["--set=hostNetwork=true", "--set=config.listen.port=10250"], "port 10250 of each node is the kubelet's"),
        (
            ["--set=serviceMonitor.enabled=true", "--set=podMonitor.enabled=true"],
            "every replica would be scraped twice",
        ),
        (["--set=podLabels.app\\.kubernetes\\.io/instance=x"], "podLabels must not set app.kubernetes.io/instance"),
        (["--set=podLabels.team=x", "--set=commonLabels.team=y"], "podLabels must not set team"),
        (["--set=podAnnotations.computegate\\.io/config=x"], "podAnnotations must not set computegate.io/config"),
        (["--set=webhook.annotations.computegate\\.io/rendered=x"], "must not set computegate.io/rendered"),
        (["--set=webhook.labels.helm\\.sh/chart=x"], "webhook.labels must not set helm.sh/chart"),
        (["--set=commonLabels.app\\.kubernetes\\.io/version=x"], "commonLabels must not set app.kubernetes.io/version"),
        (["--set=config.debugPort=9090"], "config.debugPort is 9090, as a port of config.listen is"),
        (["--set=workloads.deny=true", "--set=workloads.enabled=false"], "set workloads.enabled too"),
        (["--set=guards.exec=true", "--set=guards.enabled=false"], "set guards.enabled too"),
        (["--set=test.clearedNamespace=computegate-test"], "which the test makes for itself"),
        (["--set=tls.certManager.issuerRef.name=x"], "set tls.mode to certManager"),
        (["--set=tls.mode=certManager", "--set=tls.certManager.issuerRef.kind=Issuer"], "give its name"),
        (["--set=tls.mode=certManager", "--set=tls.certManager.duration=720h"], "renewed all the time"),
        ([*OUTSIDE, "--set=hostNetwork=true"], "no server is installed that hostNetwork would be about"),
        ([*OUTSIDE, "--set=serviceMonitor.enabled=true"], "that serviceMonitor.enabled would be about"),
        ([*OUTSIDE, "--set=networkPolicy.enabled=true"], "that networkPolicy.enabled would be about"),
        (["--set=serviceMonitor.scrapeTimeout=1m"], "serviceMonitor.scrapeTimeout is longer than interval"),
        (["--set=prometheusRule.alertLabels.severity=x"], "must not set severity"),
        (["--set=prometheusRule.latencySeconds=10"], "/prometheusRule/latencySeconds"),
        ([RULES, "--set=tls.selfManaged.certificateDays=21"], "less than a third of tls.selfManaged.certificateDays"),
        (
            [RULES, "--set=tls.mode=certManager", "--set=tls.certManager.renewBefore=168h"],
            "less than tls.certManager.renewBefore",
        ),
        (["--set=image.tag=@x"], "/image/tag"),
        ([*RECEIVER, "--set=kyc.receiver.metricsPort=80"], "the port at which its Service takes deliveries"),
        (
            [*RECEIVER, "--set=kyc.receiver.metricsPort=443", "--set=kyc.receiver.tlsSecret=t"],
            "metricsPort is 443, the port at which its Service takes deliveries",
        ),
        ([LEAST, "--set=podDisruptionBudget.minAvailable=67%"], "none of 3 replicas be evicted"),
        ([LEAST, "--set=podDisruptionBudget.minAvailable=50%", "--set=replicas=1"], "none of 1 replicas be evicted"),
        (["--set=extraEnv[0].name=POD_NAME"], "extraEnv must not set POD_NAME"),
        (["--set=extraVolumes[0].name=tls"], "extraVolumes must not use the name tls"),
        (["--set=podSecurityContext.runAsNonRoot=false"], "the server needs no root"),
        (["--set=securityContext.privileged=true"], "securityContext must give no privileges"),
        (["--set=serviceAccount.tokenSeconds=3607"], "/serviceAccount/tokenSeconds"),
        (["--set=networkPolicy.apiServerTo={10.0.0.1}"], "/networkPolicy/apiServerTo/0"),
        (["--set=prometheusRule.disabled={Watchdog}"], "/prometheusRule/disabled/0"),
        ([RULES, "--set=prometheusRule.interval=10m"], "prometheusRule.interval is more than a minute"),
        (
            [RULES, "--set=serviceMonitor.enabled=true", "--set=serviceMonitor.interval=61s"],
            "serviceMonitor.interval is more than a minute",
        ),
        (["--set=prometheusRule.disabled={ComputegateDwn}"], "names ComputegateDwn, which is no alert of this chart"),
        (["--set=networkPolicy.apiServerCIDRs={10.0.0.300/24}"], "/networkPolicy/apiServerCIDRs/0"),
        (["--set=networkPolicy.apiServerCIDRs={10.0.0.0/44}"], "/networkPolicy/apiServerCIDRs/0"),
        (["--set=networkPolicy.apiServerTo={fd00::/129}"], "/networkPolicy/apiServerTo/0"),
        (["--set=fullnameOverride=a.b"], "/fullnameOverride"),
        (["--set=nameOverride=a.b"], "/nameOverride"),
        (["--set=tls.extraNames={300.1.1.1}"], "/tls/extraNames/0"),
        (["--set=podSecurityContext.runAsUser=0"], "runAsUser is 0, beside runAsNonRoot"),
        (["--set=securityContext.runAsUser=0"], "runAsUser is 0, beside runAsNonRoot"),
        (["--set=replicas=0", "--set=config.mode=enforce"], "replicas is 0 and config.mode enforce"),
        (["--set=config.ledger.rebuildSeconds=0"], "/config/ledger/rebuildSeconds"),
        (["--set=config.ledger.rebuildSeconds=43"], "config.ledger.rebuildSeconds is less than 44"),
        ([*MOUNT, "--set=extraVolumeMounts[0].mountPath=/etc/computegate/tls"], "must not mount over /etc/computegate"),
        ([*MOUNT, "--set=extraVolumeMounts[0].mountPath=/etc/"], "must not mount over /etc/"),
        ([*MOUNT, "--set=extraVolumeMounts[0].mountPath=/tmp"], "must not mount over /tmp"),
        (["--set=config.listen.metricsPort=8443"], "choose two ports"),
        (["--set=resources.limits.cpu=1"], "resources.limits.cpu throttles admission"),
        (["--set=serviceAccount.create=false"], "name the existing ServiceAccount in serviceAccount.name"),
        (["--set=commonLabels.app\\.kubernetes\\.io/name=x"], "commonLabels must not set app.kubernetes.io/name"),
        (["--set=config.mode=enforced"], "/config/mode"),
        (["--set=config.ledger.shards=1"], "/config/ledger/shards"),
        (["--set=config.defaultPlace=de"], "/config/defaultPlace"),
        (["--set=webhook.url=http://127.0.0.1:1"], "/webhook/url"),
        (["--set=webhook.enforced.timeoutSeconds=60"], "/webhook/enforced/timeoutSeconds"),
        (["--set=replica=2"], "'replica'"),
        (["--set=config.judgedNamespaces={drivers}"], "names drivers, which the chart does not leave out"),
        (
            ["--set=config.judgedNamespaces={gpu-operator}", "--set=config.excludedNamespaces={gpu-operator}"],
            "both name gpu-operator",
        ),
        (
            ["--set=hostNetwork=true", "--set=config.listen.metricsPort=10256"],
            "port 10256 of each node is kube-proxy's",
        ),
        (["--set=config.listen.host=127.0.0.1"], "/config/listen/host"),
        ([f"--set=nameOverride={'n' * 51}"], "/nameOverride"),
        (["--set=image.repository=registry.example.com/computegate:v1"], "/image/repository"),
        (["--set=image.repository=computegate@sha256:00"], "/image/repository"),
        (
            ["--set=resources.limits.memory=64Mi"],
            "resources.limits.memory is 64Mi: with less than 128Mi nothing starts",
        ),
        (["--set=resources.limits.memory=512m"], "resources.limits.memory is 512m"),
        (["--set=resources.limits.memory=512"], "resources.limits.memory is 512"),
        (["--set=resources.requests.memory=1.5Gi"], "is 1.5Gi, more than its limit, 1Gi"),
        ([*SCREENING, "--set=screening.resources.limits.memory=1k"], "screening.resources.limits.memory is 1k"),
        (
            [*RECEIVER, "--set=kyc.receiver.resources.limits.memory=64Mi"],
            "kyc.receiver.resources.limits.memory is 64Mi",
        ),
        (
            [*MOUNT[1:], "--set=extraVolumeMounts[0].mountPath=/m"],
            "extraVolumeMounts mounts more, which extraVolumes does not name",
        ),
        (["--set=dnsPolicy=None"], "name the servers in dnsConfig.nameservers"),
        (["--set=record.file.volume.emptyDir.medium=Memory"], "record.file.enabled is not"),
        ([*PROVIDED, "--set=tls.extraNames={a.example.com}"], "tls.extraNames is set, but tls.mode is provided"),
        (["--set=tls.mode=certManager", "--set=tls.certManager.duration=30m"], "cert-manager refuses less"),
        (["--set=tls.mode=certManager", "--set=tls.certManager.renewBefore=0s"], "cert-manager refuses less"),
        (["--set=podMonitor.enabled=true", "--set=podMonitor.interval=0s"], "podMonitor.interval is no time at all"),
        (["--set=config.Mode=observe"], "'Mode'"),
    ],
)
def test_contradictions_and_typos_are_refused_by_name(chart: Chart, flags: list[str], words: str) -> None:
    assert words in chart.refusal(*flags)


@pytest.mark.parametrize(
    ("release", "flags", "refused"),
    [
        ("1gate", [], "1gate-computegate"),
        ("gate.prod", [], "gate.prod-computegate"),
        ("gate-2", [], ""),
        ("gate.prod", ["--set=fullnameOverride=gate"], ""),
    ],
)
def test_a_release_is_named_as_a_service_can_be(chart: Chart, release: str, flags: list[str], refused: str) -> None:
    done = chart.run("template", release, str(CHART), *flags)
    assert (done.returncode != 0) is bool(refused)
    assert f"{refused} cannot be the name of a Service" in done.stderr or not refused


@pytest.mark.parametrize(
    "flags",
    [
        ["--set=resources=null"],
        ["--set=resources.limits=null"],
        ["--set=resources.limits.memory=0.25G", "--set=resources.requests.memory=131072Ki"],
        ["--set=resources.limits.memory=1e9"],
        ["--set=image.repository=registry.example.com:5000/a/b_c/computegate"],
        ["--set=dnsPolicy=None", "--set=dnsConfig.nameservers={10.0.0.10}"],
        [*MOUNT, "--set=extraVolumeMounts[0].mountPath=/more", "--set-json=extraVolumes[0].emptyDir={}"],
    ],
    ids=" ".join,
)
def test_what_is_written_otherwise_is_rendered(chart: Chart, flags: list[str]) -> None:
    assert chart.render(*flags)


@pytest.mark.parametrize(
    ("flags", "said"),
    [((), False), ((RULES,), True), ((RULES, "--set=podMonitor.enabled=true"), False)],
    ids=["no alerts", "nobody scrapes", "scraped"],
)
def test_alerts_that_nobody_scrapes_for_are_told_of(chart: Chart, flags: tuple[str, ...], said: bool) -> None:
    done = chart.run("install", RELEASE, str(CHART), f"--namespace={NAMESPACE}", "--dry-run=client", *flags)
    assert ("ComputegateDown fires for as long as they run" in done.stdout) is said, done.stderr


def test_a_release_in_a_namespace_that_others_use_says_that_nothing_is_judged_there(chart: Chart) -> None:
    dry = ("install", RELEASE, str(CHART), "--dry-run=client")
    assert "the namespace of a release is never judged" in chart.run(*dry, "--namespace=default").stdout
    assert "never judged" not in chart.run(*dry, f"--namespace={NAMESPACE}").stdout


@pytest.mark.parametrize(("namespace", "made"), [(NAMESPACE, True), ("kube-system", False)])
def test_priority_classes_need_a_quota_outside_kube_system_alone(chart: Chart, namespace: str, made: bool) -> None:
    objects = chart.objects(f"--namespace={namespace}")
    quotas = [each["metadata"]["name"] for each in objects if each["kind"] == "ResourceQuota"]
    assert (f"{RELEASE}-priority" in quotas) == made


def test_without_tests_nothing_is_rendered_that_only_a_test_needs(chart: Chart) -> None:
    assert f"{RELEASE}-test" in chart.text()
    assert f"{RELEASE}-test" not in chart.text("--skip-tests")


def test_a_contact_cannot_break_out_of_a_guard(chart: Chart) -> None:
    objects = chart.render("--set-literal=config.contact=a\"b'c\\d")
    guard = objects["ValidatingAdmissionPolicy", f"{RELEASE}-ledgers"]["spec"]["validations"][0]
    assert guard["message"].endswith("""(a"b'c\\d)""")


def test_screening_runs_apart_from_the_server_and_writes_as_itself(chart: Chart) -> None:
    objects = chart.render(*SCREENING, "--set=screening.file=2026/list.csv")
    name = f"{RELEASE}-screening"
    pod = objects["Deployment", name]["spec"]["template"]
    binding, service = objects["ClusterRoleBinding", name], objects["Service", RELEASE]
    (container,) = pod["spec"]["containers"]
    assert container["args"][:4] == ["screen", "--list", "/lists/2026/list.csv", "--write"]
    assert all(isinstance(argument, str) for argument in container["args"])
    assert pod["spec"]["serviceAccountName"] == name == objects["ServiceAccount", name]["metadata"]["name"]
    assert (binding["roleRef"]["name"], binding["subjects"][0]["name"]) == (name, name)
    assert not service["spec"]["selector"].items() <= pod["metadata"]["labels"].items(), "it serves no reviews"
    assert {"name": "lists", "persistentVolumeClaim": {"claimName": "lists"}} in pod["spec"]["volumes"]
    assert {"name": "lists", "mountPath": "/lists", "readOnly": True} in container["volumeMounts"]
