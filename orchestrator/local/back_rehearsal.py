"""Rehearsal of the way back after a failover: what users and clients did in the standby region lives in the home region.

It runs what `orchestrator failover back run` runs, between the two regions of the local cloud. A client asks both regions
for tokens at each step, and the rehearsal fails if both ever issue them at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from botocore.credentials import Credentials

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.back.copying import open_back, read_rows
from orchestrator.application.failover.back.history import copy_history
from orchestrator.application.failover.back.regions import BothRegions, HomeCloud
from orchestrator.application.failover.back.run import run_back
from orchestrator.application.failover.copied_ledgers import newest_recorded
from orchestrator.application.failover.data_key import with_key_arn
from orchestrator.aws.dynamodb.raw_client import RawClient, raw_client_like
from orchestrator.aws.failover.aws_clock import AwsClock
from orchestrator.domain.deployment.gates import Approval
from orchestrator.domain.failover.back.history import HistoryReport
from orchestrator.domain.failover.record import Failover, FailoverOutcome
from orchestrator.domain.failover.steps import Step
from orchestrator.domain.incidents.incident import Incident
from orchestrator.domain.names import resource_name
from orchestrator.environments import Environment
from orchestrator.environments.failover import failover_settings
from orchestrator.local.cloud import ACCOUNT
from orchestrator.local.oauth_client import LOCAL_CLIENTS
from orchestrator.local.rehearsal_clients import (
    RehearsalClients,
    RehearsalFailed,
    connect,
    register,
    require,
    require_equal,
    wait_until_true,
)

_ID: Final = "fb-rehearsal"
_HOLD: Final = timedelta(seconds=2)
_READ_SHARE_PERCENT: Final = 25.0
_LISTED: Final = 9

Say = Callable[[str], None]


@dataclass(frozen=True)
class BackReport:
    """The result of the way back.

    Attributes:
        failover: its record.
        took: from the start until the last step had its result.
        without_tokens: from the standby region's last token of the client until the home region's first; the client asks at
            each step.
        rows_only_at_home: rows of the home region's old tables that were listed and not copied.
        history: what was copied of the standby region's ledger.
    """

    failover: Failover
    took: timedelta
    without_tokens: timedelta
    rows_only_at_home: int
    history: HistoryReport


@dataclass
class Asking:
    """A client that asks a region for tokens, and notes when it got any."""

    url: str
    platform_url: str
    issued: list[datetime] = field(default_factory=list)

    def request_tokens(self) -> None:
        """Log in anew. No answer, or 503, is a refusal."""
        try:
            with connect(self.url, self.platform_url) as client:
                tokens = client.log_in(LOCAL_CLIENTS[0])
        except OSError:
            return
        if tokens is not None:
            self.issued.append(datetime.now(UTC))


@dataclass(frozen=True)
class Places:
    """Both regions of the rehearsal.

    Attributes:
        environment: as it is in the standby region.
        standby, home: the adapters of each region.
        standby_environ, home_environ: region, endpoint and credentials, as environment variables.
        standby_url, home_url: URL of the service in each region.
        platform_url: URL of the upstream identity provider.
    """

    environment: Environment
    standby: Cloud
    home: Cloud
    standby_environ: Mapping[str, str]
    home_environ: Mapping[str, str]
    standby_url: str
    home_url: str
    platform_url: str


def rehearse_back(places: Places, clients: RehearsalClients, approvers: tuple[str, ...], say: Say) -> BackReport:
    """Go back after a failover has succeeded.

    Args:
        places: both regions; each renews its lease meanwhile.
        clients: those from before the failover.
        approvers: who approve.
        say: called with each progress message.

    Raises:
        Refused: a step cannot run.
        RehearsalFailed: a client does not find what it must find, or both regions issued tokens.
    """
    regions = both_regions(places)
    at_home, at_standby = Asking(places.home_url, places.platform_url), Asking(places.standby_url, places.platform_url)
    with connect(places.standby_url, places.platform_url) as client:
        tokens = require(client.log_in(LOCAL_CLIENTS[0]), "a login in the standby region")
        registered = register(places.standby_url)
    began = datetime.now(UTC)
    open_back(regions, _ID, approvers[0], "rehearsal")
    run_back(regions, _ID, say)
    with connect(places.standby_url, places.platform_url) as client:
        later = require(client.log_in(LOCAL_CLIENTS[0]), "a login after the tables were copied")
    for by in approvers:
        regions.store.approve(_ID, Approval(by, datetime.now(UTC)))
        say(f"{by} approves")

    def ask_both(text: str) -> None:
        say(text)
        at_standby.request_tokens()
        at_home.request_tokens()

    ended = run_back(regions, _ID, ask_both).failover
    require_equal(ended.outcome, FailoverOutcome.SUCCEEDED, "the way back")
    ask_both(f"{ended.region} may issue the tokens")

    def home_issues() -> bool:
        at_home.request_tokens()
        return bool(at_home.issued)

    # Each function process reads the lease again when it has none, and not before each request.
    wait_until_true(home_issues, f"tokens of {ended.region}")
    say(f"{ended.region} issues the tokens")
    last, first = max(at_standby.issued, default=None), min(at_home.issued, default=None)
    if last is None or first is None or last > first:
        raise RehearsalFailed(f"the standby region issued tokens until {last}, and the home region since {first}")
    with connect(places.home_url, places.platform_url) as client:
        # No userinfo: without a domain each region has an issuer of its own, which is the audience of its logins.
        for grant, what in ((tokens, "before"), (later, "after")):
            refreshed, _ = client.refresh(grant)
            again, _ = client.refresh(require(refreshed, f"a refresh at home of a login of {what} the copy"))
            require(again, f"a second refresh at home of a login of {what} the copy")
        require(client.log_in(registered), "a login at home of the client that registered in the standby region")
        if client.log_in(clients.client_after_backup) is not None:
            raise RehearsalFailed("a client that only the old tables have can log in: it was merged")
    listed = sum(len(rows) for _, rows in read_rows(ended, regions))
    if not listed:
        raise RehearsalFailed("the client that only the old tables have was not listed")
    say(f"{listed} rows are only in the old tables, and were not copied")
    own = places.home.ledger.newest_records(_LISTED)
    history = copy_history(regions)
    say(history.description)
    _verify_history(history, places, ended)
    require_equal(places.home.ledger.newest_records(_LISTED), own, "what the home region takes for its own deployments")
    return BackReport(
        failover=ended,
        took=ended.results_by_step[Step.ANNOUNCE].ended - began,
        without_tokens=first - last,
        rows_only_at_home=listed,
        history=history,
    )


def _verify_history(history: HistoryReport, places: Places, ended: Failover) -> None:
    """Check that the home region shows the way back, the failover before it and its incident, as the standby region does."""
    require_equal((history.differing, history.unknown), ((), ()), "items that differ, or are of no known kind")
    standby, home = places.standby, places.home
    listed = newest_recorded(home, _failovers, lambda failover: failover.requested_at, _LISTED)
    require_equal((listed[0].record, listed[0].region), (ended, ended.home), "the newest failover in the history")
    require_equal([one.record for one in listed], _failovers(standby), "the failovers in the history")
    incidents = newest_recorded(home, _incidents, lambda incident: incident.opened_at, _LISTED)
    from_standby = [one.record for one in incidents if one.region == ended.home]
    require_equal(from_standby, _incidents(standby), "the incidents of the standby region")


def _failovers(cloud: Cloud) -> list[Failover]:
    return cloud.failovers.newest(_LISTED)


def _incidents(cloud: Cloud) -> list[Incident]:
    return [cloud.incidents.read_incident(name) for name in cloud.incidents.list_ids(_LISTED)]


def both_regions(places: Places) -> BothRegions:
    """Return both regions as the commands of `failover back` reach them."""
    environment = places.environment
    assert environment.lost_region is not None, "it is as in the standby region"
    at_home = replace(environment, region=environment.lost_region, lost_region=None, standby=False)
    name = environment.name
    common = {
        "KEYS_TABLE": resource_name("keys", name),
        "SIGNING_KEY_ID": f"alias/{resource_name('signing', name)}",
        "OPERATORS": "1",  # the local environment has no addresses, and its topics exist nevertheless
    }
    now = AwsClock(places.standby.clients("sts")).now
    standby = replace(
        places.standby,
        settings={**places.standby.settings, **failover_settings(environment, ACCOUNT), **common},
        now=now,
        wires=_wires(places.standby, places.standby_environ),
    )
    home = HomeCloud(
        {**places.home.settings, **failover_settings(at_home, ACCOUNT), **common},
        clients=places.home.clients,
        now=now,
        wires=_wires(places.home, places.home_environ),
        store=standby.failovers,
    )
    return BothRegions(standby, with_key_arn(home), _READ_SHARE_PERCENT, _HOLD)


def _wires(cloud: Cloud, environ: Mapping[str, str]) -> Callable[[str], RawClient]:
    credentials = Credentials(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"])
    return lambda service: raw_client_like(cloud.clients(service), service, credentials)
