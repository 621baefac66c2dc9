"""The web ACL in front of the API: size limits, a limit for each address, and the rules that AWS keeps up to date.

An OAuth service is asked for things that look like attacks and are none. Which managed rules therefore only count, and why,
stands in one table; what the rules saw is logged without what must not be in a log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from environments import Environment, FirewallSettings
from stack_parts import log_group, name_of

# Rules by group, in the order in which they look. A rule that stands here only counts; the reason says whom it would hit.
# Not used: AWSManagedRulesAnonymousIpList, which blocks hosting providers, where other people's servers are.
_MANAGED: Mapping[str, Mapping[str, str]] = {
    "AWSManagedRulesAmazonIpReputationList": {},
    "AWSManagedRulesKnownBadInputsRuleSet": {},
    "AWSManagedRulesCommonRuleSet": {
        "NoUserAgent_HEADER": "programs that ask for tokens need not say what they are",
        "SizeRestrictions_QUERYSTRING": "2 KB are less than an authorization request may have; a rule of ours has the limit",
        "SizeRestrictions_BODY": "8 KB are less than the description of a client may have; a rule of ours has the limit",
        "GenericRFI_QUERYARGUMENTS": "a native application's redirect URI is a loopback address (RFC 8252 section 7.3)",
        "GenericRFI_BODY": "the same redirect URI comes again with the code, and when a client registers",
    },
}

_ASK_LATER = "too-many-requests"
# What a log of requests must not have: credentials, sessions, and codes in query strings.
_REDACTED_HEADERS = ("authorization", "cookie", "x-api-key")


class Firewall(Construct):
    """The web ACL of one API's stage.

    Args:
        scope: what it belongs to.
        environment: where.
        stage_arn: what it guards.
    """

    def __init__(self, scope: Construct, environment: Environment, stage_arn: str) -> None:
        super().__init__(scope, "Firewall")
        settings = environment.api.firewall
        acl = waf.CfnWebACL(
            self,
            "Acl",
            name=name_of("api", environment),
            description=f"In front of the OAuth service of {environment.name}",
            scope="REGIONAL",
            default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_seen(name_of("api", environment)),
            custom_response_bodies={
                _ASK_LATER: waf.CfnWebACL.CustomResponseBodyProperty(
                    content_type="APPLICATION_JSON",
                    content=json.dumps(
                        {
                            "error": "temporarily_unavailable",
                            "error_description": "Too many requests from this address. Wait some minutes, then try again.",
                        }
                    ),
                )
            },
            rules=_in_order([*_sizes(settings), _of_one_source(settings), *_managed(settings)]),
        )
        waf.CfnWebACLAssociation(self, "Association", resource_arn=stage_arn, web_acl_arn=acl.attr_arn)
        self._log(environment, acl)

    def _log(self, environment: Environment, acl: waf.CfnWebACL) -> None:
        """Log what was blocked or counted; what was let through is in the API's own log."""
        # WAF takes no log group whose name begins otherwise.
        group = log_group(self, "Logs", f"aws-waf-logs-{name_of('api', environment)}", environment)
        noted = [{"ActionCondition": {"Action": action}} for action in ("BLOCK", "COUNT", "EXCLUDED_AS_COUNT")]
        waf.CfnLoggingConfiguration(
            self,
            "Logging",
            resource_arn=acl.attr_arn,
            # By name, because the group's ARN attribute ends with ":*", which WAF refuses.
            log_destination_configs=[
                Stack.of(self).format_arn(
                    service="logs",
                    resource="log-group",
                    resource_name=group.log_group_name,
                    arn_format=ArnFormat.COLON_RESOURCE_NAME,
                )
            ],
            logging_filter={
                "DefaultBehavior": "DROP",
                "Filters": [{"Behavior": "KEEP", "Requirement": "MEETS_ANY", "Conditions": noted}],
            },
            redacted_fields=[
                waf.CfnLoggingConfiguration.FieldToMatchProperty(query_string={}),
                *(
                    waf.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": header})
                    for header in _REDACTED_HEADERS
                ),
            ],
        )


def _sizes(settings: FirewallSettings) -> list[dict[str, Any]]:
    """Block what is larger than anything a client has to say. A body that is more than WAF looks at is too large, too."""
    of = waf.CfnWebACL.FieldToMatchProperty
    body = of(body=waf.CfnWebACL.BodyProperty(oversize_handling="MATCH"))
    limits = (
        ("body-size", body, settings.largest_body_bytes),
        ("query-size", of(query_string={}), settings.largest_query_bytes),
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


def _of_one_source(settings: FirewallSettings) -> dict[str, Any]:
    wait = waf.CfnWebACL.CustomHTTPHeaderProperty(name="Retry-After", value="300")
    return {
        "name": "requests-of-one-address",
        "action": waf.CfnWebACL.RuleActionProperty(
            block=waf.CfnWebACL.BlockActionProperty(
                custom_response=waf.CfnWebACL.CustomResponseProperty(
                    response_code=429, custom_response_body_key=_ASK_LATER, response_headers=[wait]
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


def _managed(settings: FirewallSettings) -> list[dict[str, Any]]:
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
        for group, counted in _MANAGED.items()
    ]


def _in_order(rules: Sequence[dict[str, Any]]) -> list[waf.CfnWebACL.RuleProperty]:
    return [
        waf.CfnWebACL.RuleProperty(priority=priority, visibility_config=_seen(rule["name"]), **rule)
        for priority, rule in enumerate(rules)
    ]


def _seen(metric: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    # Samples show whole requests to whoever may look at the console: codes, tokens and all.
    return waf.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=metric, sampled_requests_enabled=False
    )
