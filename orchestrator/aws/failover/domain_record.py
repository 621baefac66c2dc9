"""The DNS record of the API's domain: point it at the API of this region, and wait until Route 53 has applied it.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html
https://docs.aws.amazon.com/apigateway/latest/api/API_GetDomainName.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.errors import Refused

_ABSENT = frozenset({"NotFoundException", "NoSuchHostedZone"})


@dataclass(frozen=True)
class DomainTarget:
    """What a domain points at: the regional name of API Gateway, and its hosted zone."""

    name: str
    zone: str


class DomainRecord:
    """The record of one domain in its hosted zone.

    Args:
        clients: botocore client by service, of the region that takes over.
        domain: the API's domain.
        hosted_zone_id: the Route 53 zone of the record.
    """

    def __init__(self, clients: Callable[[str], Any], domain: str, hosted_zone_id: str) -> None:
        self._clients, self._domain, self._zone = clients, domain, hosted_zone_id

    def target(self) -> DomainTarget | None:
        """Return what the domain would point at in this region; None if API Gateway does not serve it here."""
        try:
            with translate_errors():
                found = self._clients("apigateway").get_domain_name(domainName=self._domain)
        except ClientError as error:
            if error_code(error) not in _ABSENT:
                raise
            return None
        return DomainTarget(found["regionalDomainName"], found["regionalHostedZoneId"])

    def point_at(self, target: DomainTarget) -> str:
        """Point the domain at a target; return the id of the change. A repetition changes nothing.

        Raises:
            Refused: the hosted zone does not exist.
        """
        alias = {"DNSName": target.name, "HostedZoneId": target.zone, "EvaluateTargetHealth": False}
        record = {"Name": self._domain, "Type": "A", "AliasTarget": alias}
        changes = [{"Action": "UPSERT", "ResourceRecordSet": record}]
        try:
            with translate_errors():
                response = self._clients("route53").change_resource_record_sets(
                    HostedZoneId=self._zone, ChangeBatch={"Changes": changes}
                )
        except ClientError as error:
            if error_code(error) not in _ABSENT:
                raise
            raise Refused("api.domain.hosted_zone_id", self._zone, "name a zone of this account") from error
        return str(response["ChangeInfo"]["Id"])

    def in_sync(self, change: str) -> bool:
        """Return whether all of Route 53's servers have applied a change."""
        with translate_errors():
            return bool(self._clients("route53").get_change(Id=change)["ChangeInfo"]["Status"] == "INSYNC")
