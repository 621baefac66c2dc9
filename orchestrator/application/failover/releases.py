"""The release that a failover would publish, and the record of what the home region serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.aws.clients import client_in, error_code, translate_errors
from orchestrator.aws.lambda_.versions import LATEST
from orchestrator.domain.deployment.plan import Service
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.failover.home_releases import PlannedRelease, plan_release, record_release

HomeClients = Callable[[str], Any]


def code_served(client: Any, service: Service, qualifier: str) -> Mapping[str, str]:
    """Return the code of a version or alias of every function: short name to CodeSha256, without those that have none.

    Args:
        client: botocore's client of Lambda, of either region.
        service: names the functions.
        qualifier: the version or alias.
    """

    def read(function: str) -> str:
        try:
            with translate_errors():
                found = client.get_function_configuration(FunctionName=function, Qualifier=qualifier)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            return ""
        return str(found["CodeSha256"])

    codes = for_each(service.functions.values(), read)
    return {name: code for name, code in zip(service.functions, codes, strict=True) if code}


def planned_release(cloud: Cloud) -> PlannedRelease:
    """Return what a failover would publish now, compared with the record of what the home region serves."""
    service = msgspec.json.decode(cloud.settings["SERVICE"], type=Service)
    code = code_served(cloud.clients("lambda"), service, LATEST)
    return plan_release(code, cloud.failovers.read_home_releases().releases)


def record_home_release(cloud: Cloud, home_clients: HomeClients | None = None) -> str:
    """Record in this region what the home region serves; return what was done, as one sentence.

    A home region that does not answer leaves the record as it is: it is needed when that region is lost.

    Args:
        cloud: of the standby region.
        home_clients: botocore client by service, of the home region; by default with the function's credentials.
    """
    home, now = cloud.settings["HOME_REGION"], cloud.now()
    assignment = cloud.failovers.read_assignment().assignment
    if assignment and assignment.active and assignment.region != home:
        return f"not recorded: {assignment.region} issues the tokens"
    service = msgspec.json.decode(cloud.settings["SERVICE"], type=Service)
    client = home_clients("lambda") if home_clients else client_in("lambda", home)
    try:
        code = code_served(client, service, service.alias)
    except (OrchestratorError, ClientError) as error:
        return f"not recorded: {home} could not be read ({type(error).__name__}: {error})"
    read = cloud.failovers.read_home_releases()
    releases = record_release(read.releases, code, now)
    if releases is None or releases == read.releases:
        return f"not recorded: no function has the alias {service.alias} in {home}"
    if read.releases and releases.seen_at < read.releases.seen_at:
        return "not recorded: a later run has recorded it"
    if not cloud.failovers.write_home_releases(read, releases):
        return "not recorded: another run has recorded it meanwhile"
    return f"{home} serves {plan_release(code, releases).name}"
