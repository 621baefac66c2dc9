"""The web ACL of the API: size limits, a rate limit for each source address, and AWS's managed rules.

Legitimate OAuth requests can look like attacks. One table lists the managed rules that therefore only count, each with
its reason. The log of the web ACL omits credentials.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from infrastructure.arns import log_group_arn
from infrastructure.logs import create_log_group
from infrastructure.naming import physical_name
from orchestrator.environments import Environment, FirewallSettings

# Managed rule groups in the order of evaluation, each with the rules that only count and the requests they would block.
# Not used: AWSManagedRulesAnonymousIpList, which blocks hosting providers, where clients' servers run.
_MANAGED_RULES: Mapping[str, Mapping[str, str]] = {
    "AWSManagedRulesAmazonIpReputationList": {},
    "AWSManagedRulesKnownBadInputsRuleSet": {},
    "AWSManagedRulesCommonRuleSet": {
        "NoUserAgent_HEADER": "programs that request tokens need no User-Agent",
        "SizeRestrictions_QUERYSTRING": "an authorization request may exceed 2 KB; our own rule has the limit",
        "SizeRestrictions_BODY": "a client registration may exceed 8 KB; our own rule has the limit",
        "GenericRFI_QUERYARGUMENTS": "a native application's redirect URI is a loopback address (RFC 8252 section 7.3)",
        "GenericRFI_BODY": "token requests and client registrations contain the same redirect URI",
    },
}

_RETRY_LATER = "too-many-requests"
# Headers with credentials or sessions, which must not be logged. The query string, with its codes, is omitted, too.
_REDACTED_HEADERS = ("authorization", "cookie", "x-api-key")


class Firewall(Construct):
    """The web ACL of one API's stage.

    Args:
        scope: the API's construct.
        environment: the environment.
        stage_arn: the protected stage.
    """

    def __init__(self, scope: Construct, environment: Environment, stage_arn: str) -> None:
        super().__init__(scope, "Firewall")
        settings = environment.api.firewall
        acl = waf.CfnWebACL(
            self,
            "Acl",
            name=physical_name("api", environment),
            description=f"Web ACL of the OAuth service in {environment.name}",
            scope="REGIONAL",
            default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_visibility(physical_name("api", environment)),
            custom_response_bodies={
                _RETRY_LATER: waf.CfnWebACL.CustomResponseBodyProperty(
                    content_type="APPLICATION_JSON",
                    content=json.dumps(
                        {
                            "error": "temporarily_unavailable",
                            "error_description": "Too many requests from this address. Wait some minutes, then try again.",
                        },
                        allow_nan=False,
                    ),
                )
            },
            rules=_in_order([*_size_limits(settings), _source_rate_limit(settings), *_managed_rules(settings)]),
        )
        waf.CfnWebACLAssociation(self, "Association", resource_arn=stage_arn, web_acl_arn=acl.attr_arn)
        self._log(environment, acl)

    def _log(self, environment: Environment, acl: waf.CfnWebACL) -> None:
        """Log blocked and counted requests. The API's access log has the allowed ones."""
        # WAF requires this prefix of the log group's name.
        group = create_log_group(self, "Logs", f"aws-waf-logs-{physical_name('api', environment)}", environment)
        conditions = [{"ActionCondition": {"Action": action}} for action in ("BLOCK", "COUNT", "EXCLUDED_AS_COUNT")]
        waf.CfnLoggingConfiguration(
            self,
            "Logging",
            resource_arn=acl.attr_arn,
            # By name, because the group's ARN attribute ends with ":*", which WAF rejects.
            log_destination_configs=[log_group_arn(Stack.of(self), group.log_group_name)],
            logging_filter={
                "DefaultBehavior": "DROP",
                "Filters": [{"Behavior": "KEEP", "Requirement": "MEETS_ANY", "Conditions": conditions}],
            },
            redacted_fields=[
                waf.CfnLoggingConfiguration.FieldToMatchProperty(query_string={}),
                *(
                    waf.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": header})
                    for header in _REDACTED_HEADERS
                ),
            ],
        )


def _size_limits(settings: FirewallSettings) -> list[dict[str, Any]]:
    """Return the rules that block oversized requests. A body beyond WAF's inspection limit counts as oversized, too."""
    field_to_match = waf.CfnWebACL.FieldToMatchProperty
    body = field_to_match(body=waf.CfnWebACL.BodyProperty(oversize_handling="MATCH"))
    limits = (
        ("body-size", body, settings.largest_body_bytes),
        ("query-size", field_to_match(query_string={}), settings.largest_query_bytes),
    )
    return [
        {
            "name": name,
            "action": waf.CfnWebACL.RuleActionProperty(block={}),
            "statement": waf.CfnWebACL.StatementProperty(
                size_constraint_statement=waf.CfnWebACL.SizeConstraintStatementProperty(
                    comparison_operator="GT",
                    size=size_bytes,
                    field_to_match=part,
                    text_transformations=[waf.CfnWebACL.TextTransformationProperty(priority=0, type="NONE")],
                )
            ),
        }
        for name, part, size_bytes in limits
    ]


def _source_rate_limit(settings: FirewallSettings) -> dict[str, Any]:
    retry_after = waf.CfnWebACL.CustomHTTPHeaderProperty(name="Retry-After", value="300")
    return {
        "name": "requests-of-one-address",
        "action": waf.CfnWebACL.RuleActionProperty(
            block=waf.CfnWebACL.BlockActionProperty(
                custom_response=waf.CfnWebACL.CustomResponseProperty(
                    response_code=429, custom_response_body_key=_RETRY_LATER, response_headers=[retry_after]
                )
            )
        ),
        "statement": waf.CfnWebACL.StatementProperty(
            rate_based_statement=waf.CfnWebACL.RateBasedStatementProperty(
                aggregate_key_type="IP",
                evaluation_window_sec=300,
                limit=settings.source_requests_per_five_minutes,
            )
        ),
    }


def _managed_rules(settings: FirewallSettings) -> list[dict[str, Any]]:
    return [
        {
            "name": group,
            "override_action": waf.CfnWebACL.OverrideActionProperty(none={})
            if settings.blocks
            else waf.CfnWebACL.OverrideActionProperty(count={}),
            "statement": waf.CfnWebACL.StatementProperty(
                managed_rule_group_statement=waf.CfnWebACL.ManagedRuleGroupStatementProperty(
                    vendor_name="AWS",
                    name=group,
                    rule_action_overrides=[
                        waf.CfnWebACL.RuleActionOverrideProperty(
                            name=rule, action_to_use=waf.CfnWebACL.RuleActionProperty(count={})
                        )
                        for rule in counted
                    ]
                    or None,
                )
            ),
        }
        for group, counted in _MANAGED_RULES.items()
    ]


def _in_order(rules: Sequence[dict[str, Any]]) -> list[waf.CfnWebACL.RuleProperty]:
    return [
        waf.CfnWebACL.RuleProperty(priority=priority, visibility_config=_visibility(rule["name"]), **rule)
        for priority, rule in enumerate(rules)
    ]


def _visibility(metric: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    # No samples: they show complete requests in the console, including codes and tokens.
    return waf.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=metric, sampled_requests_enabled=False
    )
