"""The API's custom domain: its certificate, its DNS record, and the mapping of the API to its root path."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from constructs import Construct

from orchestrator.environments import DomainSettings


class ApiDomain(Construct):
    """The custom domain of one API.

    Without a hosted zone, the operator must create the DNS record; the stack's output `DomainTarget` is its target. In a
    standby region a failover changes the record, which is the home region's before.
    """

    def __init__(
        self, scope: Construct, settings: DomainSettings, rest_api: apigateway.RestApi, *, standby: bool = False
    ) -> None:
        super().__init__(scope, "Domain")
        zone = None
        if settings.hosted_zone_id and settings.hosted_zone:
            zone = route53.HostedZone.from_hosted_zone_attributes(
                self, "Zone", hosted_zone_id=settings.hosted_zone_id, zone_name=settings.hosted_zone
            )
        self.host = apigateway.DomainName(
            self,
            "Host",
            domain_name=settings.name,
            certificate=self._certificate(settings, zone),
            endpoint_type=apigateway.EndpointType.REGIONAL,
            security_policy=apigateway.SecurityPolicy.TLS_1_2,
            mapping=rest_api,
        )
        if zone and not standby:
            target_alias = route53.RecordTarget.from_alias(targets.ApiGatewayDomain(self.host))
            route53.ARecord(self, "Record", zone=zone, record_name=settings.name, target=target_alias)
        else:
            target = self.host.domain_name_alias_domain_name
            CfnOutput(
                Stack.of(self),
                "DomainTarget",
                value=target,
                description=f"The target of the DNS record for {settings.name}",
            )

    def _certificate(self, settings: DomainSettings, zone: route53.IHostedZone | None) -> acm.ICertificate:
        if settings.certificate_arn:
            return acm.Certificate.from_certificate_arn(self, "Certificate", settings.certificate_arn)
        return acm.Certificate(
            self, "Certificate", domain_name=settings.name, validation=acm.CertificateValidation.from_dns(zone)
        )
