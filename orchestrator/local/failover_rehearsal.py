"""Rehearsal of a failover by its state machine, on a local cloud with two regions.

The home region is lost, and returns when the tables are restored, in the middle of the failover. From then on a client
asks both regions for tokens, and the rehearsal fails if both ever issue them at the same time.

A local restore takes seconds, so the lease takes seconds, too: in an account the lease ends while the tables are restored.
What EventBridge does every minute is done here every few seconds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from threading import Event, Thread
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator import environments
from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.managed_clients import copy_record
from orchestrator.aws.failover.copied_files import list_files
from orchestrator.aws.step_functions import execution_arn
from orchestrator.domain.clients.client import Change, Limits, ManagedClient, Wanted, disable, new_client
from orchestrator.domain.deployment.gates import Approval
from orchestrator.domain.failover.issuing_region import first_assignment
from orchestrator.domain.failover.record import Failover, FailoverOutcome
from orchestrator.domain.failover.steps import Step
from orchestrator.domain.incidents.incident import EntryKind
from orchestrator.domain.names import bucket_name, resource_name, state_machine_arn
from orchestrator.environments import project
from orchestrator.environments.toml_editor import with_original_tables
from orchestrator.local import cdk_deploy, identity_provider
from orchestrator.local.back_rehearsal import BackReport, Places, rehearse_back
from orchestrator.local.cloud import ACCOUNT, LocalCloud
from orchestrator.local.deployed_environment import (
    ENVIRONMENT,
    EVIDENCE_BUCKET,
    LocalEnvironment,
    cloud_for,
    stack_output,
)
from orchestrator.local.oauth_client import LOCAL_CLIENTS, TrafficClient
from orchestrator.local.region_failover_rehearsal import HOME, prepare
from orchestrator.local.rehearsal_clients import (
    RehearsalClients,
    RehearsalFailed,
    connect,
    require,
    require_equal,
    wait_until_true,
)
from orchestrator.local.waiting import wait_until

LEASE_SECONDS: Final = 20
APPROVERS: Final = ("ann", "bob")
_RENEW_SECONDS: Final = 3
_PATIENCE_SECONDS: Final = 300
_FIRST_LOGIN_SECONDS: Final = 10
_FAILOVER_ID: Final = "fo-rehearsal"
_COPIED_FILE: Final = "configuration/rehearsal.json"
_DISABLED: Final = TrafficClient(
    "app-rehearsal",
    "https://rehearsal.example/callback",
    scope="profile",
    secret="local-rehearsal-secret-not-for-accounts",  # noqa: S106 - of the local environment alone
)
_RENEW_FUNCTION: Final = resource_name("event-renew-lease", ENVIRONMENT)

Say = Callable[[str], None]


@dataclass(frozen=True)
class FailoverReport:
    """The result of a rehearsal.

    Attributes:
        failover: its record.
        recovery_time: from the outage until the last step had its result.
        restoring: how long the restores of the tables took.
        leases: how long the failover waited for leases of the home region after its other steps.
        issued: tokens that each region issued to the client while the failover ran.
        home_refused: requests that the home region refused after its return, because its lease had ended.
        last_home, first_standby: when the last and the first of these tokens were issued; None without any.
        back: the result of the way back; None if it was not rehearsed.
    """

    failover: Failover
    recovery_time: timedelta
    restoring: timedelta
    leases: timedelta
    issued: Mapping[str, int]
    home_refused: int
    last_home: datetime | None
    first_standby: datetime | None
    back: BackReport | None = None

    @property
    def beyond_restores(self) -> timedelta:
        """The recovery time without the restores of the tables."""
        return self.recovery_time - self.restoring


@dataclass
class _Client:
    """A client that asks a region for tokens, and notes when it got any, or was refused."""

    url: str
    platform_url: str
    issued: list[datetime] = field(default_factory=list)
    refused: int = 0

    def request_tokens(self) -> None:
        """Log in anew. No answer, or 503, is a refusal."""
        try:
            with connect(self.url, self.platform_url) as client:
                tokens = client.log_in(LOCAL_CLIENTS[0])
        except OSError:
            tokens = None
        if tokens is None:
            self.refused += 1
        else:
            self.issued.append(datetime.now(UTC))

    def wait_for_tokens(self) -> None:
        """Request tokens until some are issued, as soon as every process has read that its region may."""

        def issued() -> list[datetime] | None:
            self.request_tokens()
            return self.issued or None

        wait_until(issued, _FIRST_LOGIN_SECONDS, f"tokens from {self.url}", RehearsalFailed, 0.5)


def rehearse(folder: Path, other: str, say: Say, *, back: bool = False) -> FailoverReport:
    """Rehearse a failover with the home region's return in the middle, on a separate local cloud.

    Args:
        folder: directory of that cloud's state, and of the settings file with the standby region.
        other: the standby region.
        say: called with each progress message.
        back: go back to the home region afterwards.

    Raises:
        RehearsalFailed: a step failed, or both regions issued tokens.
    """
    file = _settings_with_standby(folder, other)
    with identity_provider.serve() as platform_url, LocalCloud.start(folder, profile="instant") as local:
        environment = environments.load(ENVIRONMENT, file)
        cdk_deploy.deploy(local, environment, platform_url=platform_url, settings=file)
        say(f"the environment runs in {HOME}")
        environ = local.environ_for_region(other)
        target = cdk_deploy.RegionTarget(local.endpoint_url, other, environ)
        standby = environment.in_standby_region()
        cdk_deploy.deploy(target, standby, platform_url=platform_url, settings=file, standby=True)
        say(f"its stacks are deployed in {other}, where they wait")
        home_cloud = cloud_for(local.environ)
        home = LocalEnvironment(local, home_cloud, platform_url, _api_url(home_cloud))
        cloud = cloud_for(environ, f"{EVIDENCE_BUCKET}-{other}")
        cloud.failovers.create_assignment(first_assignment(HOME))
        with _minutely(home_cloud, cloud):
            wait_until_true(lambda: _has_lease(home_cloud), f"the lease of {HOME}")
            say(f"{HOME} has its lease")
            _verify_copies(home_cloud, cloud, other)
            say(f"a file of evidence has its copy in {other}")
            added = _add_client(home, cloud)
            clients = prepare(home, other, say)
            _disable_client(added, home, cloud)
            say(f"{_DISABLED.client_id} was disabled since its table was copied")
            rehearsal = _Rehearsal(home, cloud, other, clients, say)
            report = _fail_over(rehearsal)
            if not back:
                return report
            places = Places(
                standby, cloud, home_cloud, environ, local.environ, _api_url(cloud), home.api_url, platform_url
            )
            return replace(report, back=rehearse_back(places, rehearsal.clients, APPROVERS, say))


@dataclass(frozen=True)
class _Rehearsal:
    home: LocalEnvironment
    cloud: Cloud
    other: str
    clients: RehearsalClients
    say: Say

    @property
    def machine(self) -> str:
        return state_machine_arn("failover", ENVIRONMENT, ACCOUNT, self.other)


def _fail_over(rehearsal: _Rehearsal) -> FailoverReport:
    local, say = rehearsal.home.local, rehearsal.say
    at_home = _Client(rehearsal.home.api_url, rehearsal.home.platform_url)
    at_standby = _Client(_api_url(rehearsal.cloud), rehearsal.home.platform_url)
    at_home.request_tokens()
    at_standby.request_tokens()
    require_equal((len(at_home.issued), len(at_standby.issued)), (1, 0), "tokens of the two regions before the outage")
    local.set_lost_regions(HOME)
    lost_at = datetime.now(UTC)
    say(f"{HOME} is unavailable: every call to it fails")
    request = {"failover": _FAILOVER_ID, "requested_by": APPROVERS[0], "reason": "rehearsal"}
    rehearsal.cloud.executions.start_execution(rehearsal.machine, _FAILOVER_ID, request)
    _approve(rehearsal)
    failover = _follow(rehearsal, at_home, at_standby)
    at_standby.wait_for_tokens()
    _verify(rehearsal, at_standby.url)
    _verify_incident(rehearsal)
    at_home.request_tokens()
    return _report(failover, lost_at, at_home, at_standby, rehearsal.other)


def _approve(rehearsal: _Rehearsal) -> None:
    store = rehearsal.cloud.failovers

    def waits() -> bool:
        execution = rehearsal.cloud.executions.describe_execution(
            execution_arn(rehearsal.machine, _FAILOVER_ID), may_be_absent=True
        )
        if execution.phase not in {"RUNNING", "ABSENT"}:
            raise RehearsalFailed(f"the failover ended before its approvals: {execution.phase}")
        return bool(store.read_token(_FAILOVER_ID))

    wait_until_true(waits, "the request for approvals")
    for by in APPROVERS:
        store.approve(_FAILOVER_ID, Approval(by, datetime.now(UTC)))
        rehearsal.say(f"{by} approves")
    rehearsal.cloud.executions.send_task_success(store.read_token(_FAILOVER_ID), {})


def _follow(rehearsal: _Rehearsal, at_home: _Client, at_standby: _Client) -> Failover:
    """Follow the failover to its end; the home region returns as soon as the tables are restored."""
    deadline, reported, returned = time.monotonic() + _PATIENCE_SECONDS, 0, False
    while time.monotonic() < deadline:
        failover = rehearsal.cloud.failovers.read_failover(_FAILOVER_ID).failover
        for result in failover.results[reported:]:
            rehearsal.say(f"{result.step}: {result.result}")
        reported = len(failover.results)
        if failover.failed:
            raise RehearsalFailed(failover.failed)
        if failover.outcome is FailoverOutcome.SUCCEEDED:
            return failover
        if Step.RESTORE in failover.results_by_step and not returned:
            returned = True
            rehearsal.home.local.set_lost_regions()
            rehearsal.say(f"{HOME} is available again, with its outdated tables")
        if returned:
            at_home.request_tokens()
            at_standby.request_tokens()
        time.sleep(0.2)
    raise RehearsalFailed(f"the failover has not ended within {_PATIENCE_SECONDS} s")


def _verify(rehearsal: _Rehearsal, url: str) -> None:
    """Check what clients notice: new logins work, and everything from before has ended."""
    clients = rehearsal.clients
    with connect(url, rehearsal.home.platform_url) as client:
        # A process that found no lease reads it again after MIN_READ_SECONDS; until then it answers 503.
        tokens = wait_until(
            lambda: client.log_in(LOCAL_CLIENTS[0]), _FIRST_LOGIN_SECONDS, "a new login", RehearsalFailed, 0.5
        )
        refreshed, _ = client.refresh(tokens)
        require_equal(client.userinfo(require(refreshed, "a refresh")).observation.status, HTTPStatus.OK, "userinfo")
        require(client.log_in(clients.client_before_backup), "a login of the client that registered before the copies")
        rejected, _ = client.refresh(clients.tokens_before_backup)
        require_equal(rejected, None, "a refresh token from before the outage")
        if client.log_in(clients.client_after_backup) is not None:
            raise RehearsalFailed("a client that registered after the copies can log in")
        if client.log_in(_DISABLED) is not None:
            raise RehearsalFailed("a client that was disabled after the copies can log in")
    rehearsal.say(f"{_DISABLED.client_id} is refused")


def _add_client(home: LocalEnvironment, standby: Cloud) -> ManagedClient:
    """Add a managed client, as `orchestrator clients add` does, and log a user in with it."""
    secret, change = sha256(str(_DISABLED.secret).encode()).hexdigest(), Change("ann", "rehearsal", datetime.now(UTC))
    wanted = Wanted(_DISABLED.client_id, "Rehearsal", (_DISABLED.redirect_uri,), (_DISABLED.scope,), (), ())
    limits = Limits(frozenset(), frozenset({_DISABLED.scope}), frozenset())
    client = new_client(wanted, limits, secret, change)
    _save_client(client, home.cloud, standby)
    with connect(home.api_url, home.platform_url) as connection:
        require(connection.log_in(_DISABLED), "a login of a managed client")
    return client


def _disable_client(client: ManagedClient, home: LocalEnvironment, standby: Cloud) -> None:
    _save_client(disable(client, Change("ann", "rehearsal", datetime.now(UTC))), home.cloud, standby)


def _save_client(client: ManagedClient, home: Cloud, standby: Cloud) -> None:
    home.client_records.save_client(client)
    home.client_items(resource_name("tokens", ENVIRONMENT)).apply(client)
    copy_record(home.client_records, standby.client_records, client, standby.failovers.read_assignment())


def _verify_copies(home: Cloud, standby: Cloud, other: str) -> None:
    """Check that S3 copies the home region's evidence to the standby region."""
    home.artifacts.put_file(_COPIED_FILE, b"{}", "application/json")
    bucket = bucket_name("evidence-copies", ENVIRONMENT, ACCOUNT, other)

    def copied() -> bool:
        return any(one.key == _COPIED_FILE for one in list_files(standby.clients("s3"), bucket))

    wait_until_true(copied, "the copy of a file of evidence")


def _verify_incident(rehearsal: _Rehearsal) -> None:
    """Check that the failover opened one incident, which paged and ended by itself."""
    incidents = rehearsal.cloud.incidents
    chains = [incidents.read_entries(name) for name in incidents.list_ids(2)]
    kinds = [entry.kind for chain in chains for entry in chain]
    require_equal(kinds, [EntryKind.OPENED, EntryKind.PAGED, EntryKind.CLEARED, EntryKind.RESOLVED], "the incident")
    rehearsal.say(
        f"the incident {chains[0][0].incident} was opened at {chains[0][0].at:%H:%M:%S} UTC, paged, and has ended"
    )


def _report(failover: Failover, lost_at: datetime, at_home: _Client, at_standby: _Client, other: str) -> FailoverReport:
    results = failover.results_by_step
    last_home, first_standby = max(at_home.issued, default=None), min(at_standby.issued, default=None)
    if last_home and first_standby and last_home > first_standby:
        raise RehearsalFailed(f"both regions issued tokens: {HOME} at {last_home}, {other} since {first_standby}")
    assert first_standby is not None, "the rehearsal waits for its tokens"
    return FailoverReport(
        failover=failover,
        recovery_time=results[Step.ANNOUNCE].ended - lost_at,
        restoring=results[Step.RESTORE].took,
        leases=max(results[Step.TAKE_OVER].ended - results[Step.VERIFY].ended, timedelta(0)),
        issued={HOME: len(at_home.issued), other: len(at_standby.issued)},
        home_refused=at_home.refused,
        last_home=last_home,
        first_standby=first_standby,
    )


def _settings_with_standby(folder: Path, other: str) -> Path:
    """Write the project's settings with a standby region of the local environment; return the file."""
    document = with_original_tables(environments.settings_file().read_text(encoding="utf-8"), ENVIRONMENT)
    table = (
        f"\n[{ENVIRONMENT}.failover]\nregion = {json.dumps(other, allow_nan=False)}\nlease_seconds = {LEASE_SECONDS}\n"
        f"oldest_copy_hours = 26\n[{ENVIRONMENT}.failover.approval]\napprovers = {json.dumps(APPROVERS, allow_nan=False)}\n"
        "quorum = 2\ndeadline_seconds = 600\n"
    )
    file = folder / project.NAME
    file.write_text(document + table, encoding="utf-8")
    return file


@contextmanager
def _minutely(*regions: Cloud) -> Iterator[None]:
    """Renew the leases of the regions, as EventBridge does in an account. A region that is lost renews nothing."""
    ended = Event()

    def renew() -> None:
        while not ended.is_set():
            for cloud in regions:
                try:
                    cloud.clients("lambda").invoke(FunctionName=_RENEW_FUNCTION, Payload=b'{"id": "rehearsal"}')
                except (ClientError, BotoCoreError):
                    continue
            ended.wait(_RENEW_SECONDS)

    thread = Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _has_lease(cloud: Cloud) -> bool:
    table = resource_name("keys", ENVIRONMENT)
    key = {"pk": {"S": "issuing-lease"}}
    item = cloud.clients("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
    return bool(item) and float(item["until"]["N"]) > time.time()


def _api_url(cloud: Cloud) -> str:
    return stack_output(cloud, cdk_deploy.SERVICE, "ApiUrl").rstrip("/")
