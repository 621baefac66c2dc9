"""The API as the world reaches it: its host, its limits, what stands in front of it, and who needs a key."""

import dataclasses
import json
import re

import pytest

from infrastructure.service.api import ROUTES
from infrastructure.service.usage_plans import KEYED
from orchestrator import environments
from tests.infrastructure.templates import resources, synthesise, text_of

ALL_ROUTES = {f"{method} {path}" for routes in ROUTES.values() for path, methods in routes for method in methods}
PATHS = {path for routes in ROUTES.values() for path, _ in routes}
CERTIFICATE = "arn:aws:acm:us-west-1:123456789012:certificate/3f1a"


def only(template: dict, kind: str) -> dict:
    (found,) = resources(template, kind).values()
    return found


def with_api(name: str, **changes) -> environments.Environment:
    environment = environments.load(name)
    return dataclasses.replace(environment, api=dataclasses.replace(environment.api, **changes))


def method_settings(one) -> dict[str, dict]:
    """Settings of methods by route; those of all others are under `*`."""
    found = only(one.service, "AWS::ApiGateway::Stage")["MethodSettings"]
    return {
        "*" if own["HttpMethod"] == "*" else f"{own['HttpMethod']} {own['ResourcePath'][1:].replace('~1', '/')}": own
        for own in found
    }


def routes_of_methods(one) -> dict[str, dict]:
    parts = resources(one.service, "AWS::ApiGateway::Resource")

    def path(ref: dict) -> str:
        found = parts.get(ref.get("Ref", ""))
        return f"{path(found['ParentId'])}/{found['PathPart']}" if found else ""

    methods = resources(one.service, "AWS::ApiGateway::Method").values()
    return {f"{method['HttpMethod']} {path(method['ResourceId'])}": method for method in methods}


@pytest.mark.strategy("Production Environment: Base URL: https://api.oauth.yourdomain.com")
@pytest.mark.parametrize("name", ["staging", "prod"])
def test_a_domain_serves_the_api_at_its_root_and_nothing_else_does(synthesised, name):
    one = synthesised(name)
    host = environments.load(name).api.domain.name
    domain = only(one.service, "AWS::ApiGateway::DomainName")
    mapping = only(one.service, "AWS::ApiGateway::BasePathMapping")
    record = only(one.service, "AWS::Route53::RecordSet")

    assert (domain["DomainName"], domain["SecurityPolicy"]) == (host, "TLS_1_2")
    assert domain["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    assert "BasePath" not in mapping
    assert record["Name"] == f"{host}."
    assert only(one.service, "AWS::CertificateManager::Certificate")["ValidationMethod"] == "DNS"
    assert only(one.service, "AWS::ApiGateway::RestApi")["DisableExecuteApiEndpoint"] is True


@pytest.mark.strategy("Development Environment: Base URL: https://n4h948fv4c.execute-api.us-west-1.amazonaws.com/dev")
@pytest.mark.parametrize("name", ["local", "dev"])
def test_without_a_domain_the_stage_serves(synthesised, name):
    one = synthesised(name)

    assert not resources(one.service, "AWS::ApiGateway::DomainName")
    assert only(one.service, "AWS::ApiGateway::RestApi")["DisableExecuteApiEndpoint"] is False


def test_probes_of_the_api_go_where_clients_go(every):
    """The stage's address answers no request where a domain serves: the orchestrator must not use it."""
    plan = next(
        found
        for found in resources(every.orchestrator, "AWS::Lambda::Function").values()
        if found["Handler"] == "orchestrator.tasks.deployment.plan_deployment.handler"
    )
    service_settings = json.loads(text_of(plan["Environment"]["Variables"]["SERVICE"]))
    domain = environments.load(every.name).api.domain
    output = text_of(every.service["Outputs"]["ApiUrl"]["Value"])

    if domain:
        assert service_settings["api_url"] == service_settings["issuer"] == output == f"https://{domain.name}"
        assert "execute-api" not in json.dumps([service_settings, every.service["Outputs"]])
    else:
        assert output.endswith(f"/{every.name}")
        assert service_settings["api_url"] == service_settings["issuer"]
        assert service_settings["api_url"].endswith(f"/{every.name}")


@pytest.mark.strategy("API Gateway: Custom domain with SSL certificate")
def test_a_certificate_that_exists_is_used_and_the_dns_is_left_to_its_owner(tmp_path):
    domain = environments.DomainSettings("login.example.org", None, None, CERTIFICATE)

    one = synthesise(tmp_path, with_api("prod", domain=domain))

    assert only(one.service, "AWS::ApiGateway::DomainName")["RegionalCertificateArn"] == CERTIFICATE
    assert not resources(one.service, "AWS::CertificateManager::Certificate")
    assert not resources(one.service, "AWS::Route53::RecordSet")
    assert one.service["Outputs"]["DomainTarget"]["Description"] == "The target of the DNS record for login.example.org"


def exports(one) -> set[str]:
    outputs = [output for template in one.all for output in template.get("Outputs", {}).values()]
    return {text_of(output["Export"]["Name"]) for output in outputs if "Export" in output}


def imports(one) -> set[str]:
    return {
        name for template in one.all for name in re.findall(r'{"Fn::ImportValue": "([^"]+)"}', json.dumps(template))
    }


NEEDS_SEVERAL_DEPLOYMENTS = "SigningProfile"
"""What docs/reference/environments.md says of switching it off."""


def test_a_setting_can_be_switched_because_no_export_goes_that_another_stack_imports(tmp_path, everything_on):
    """The exporting stack is updated first, while the others still import what they imported before."""
    plain = synthesise(tmp_path, with_api("staging", domain=None))
    assert any("ApiRest" in name for name in imports(plain))
    assert imports(plain) - exports(everything_on) == set()
    assert [name for name in imports(everything_on) - exports(plain) if NEEDS_SEVERAL_DEPLOYMENTS not in name] == []


@pytest.mark.strategy("API Gateway: Request throttling", "Resource Optimization: API Gateway throttling")
def test_every_method_is_measured_and_throttled_and_no_payload_is_logged(every):
    environment = environments.load(every.name)
    found = method_settings(every)

    throttled = environment.api.throttles
    heads = {route.replace("GET", "HEAD") for route in throttled if route.startswith("GET ")}
    assert found.keys() == {"*", *throttled, *heads}
    for route, own in found.items():
        throttle = throttled.get(route.replace("HEAD", "GET")) or environments.ThrottleSettings(
            environment.service.throttle_requests_per_second, environment.service.throttle_burst_requests
        )
        assert (own["MetricsEnabled"], own["DataTraceEnabled"], own["LoggingLevel"]) == (True, False, "ERROR")
        assert own["ThrottlingRateLimit"] == throttle.requests_per_second
        assert own["ThrottlingBurstLimit"] == throttle.burst_requests


def test_a_throttle_of_a_route_that_there_is_not_is_refused(tmp_path):
    wrong = with_api("dev", throttles={"GET /token": environments.ThrottleSettings(1, 1)})

    with pytest.raises(
        environments.EnvironmentRefused, match=r"dev\.api\.throttles: 'GET /token' is refused: name one of GET"
    ):
        synthesise(tmp_path, wrong)


@pytest.mark.strategy("API Gateway: Enhanced logging")
def test_the_access_log_is_json_and_says_who_was_refused_by_what(every):
    logged = json.loads(only(every.service, "AWS::ApiGateway::Stage")["AccessLogSetting"]["Format"])

    assert logged["refused_as"] == "$context.error.responseType"
    assert logged["firewall"] == "$context.waf.status"
    assert logged["key"] == "$context.identity.apiKeyId"  # its id, never the key
    assert logged["invocation"] == "$context.awsEndpointRequestId"  # the audit finds the client by it


def rules(one) -> dict[str, dict]:
    acl = only(one.service, "AWS::WAFv2::WebACL")
    assert [rule["Priority"] for rule in acl["Rules"]] == list(range(len(acl["Rules"])))
    return {rule["Name"]: rule for rule in acl["Rules"]}


@pytest.mark.strategy("Infrastructure Security: WAF rules")
def test_the_firewall_limits_sizes_and_sources_and_asks_the_managed_rules(every):
    settings = environments.load(every.name).api.firewall
    found = rules(every)

    def size(rule: str) -> int:
        return found[rule]["Statement"]["SizeConstraintStatement"]["Size"]

    assert (size("body-size"), size("query-size")) == (settings.largest_body_bytes, settings.largest_query_bytes)
    body = found["body-size"]["Statement"]["SizeConstraintStatement"]["FieldToMatch"]["Body"]
    assert body == {"OversizeHandling": "MATCH"}
    rate = found["requests-of-one-address"]
    assert rate["Statement"]["RateBasedStatement"]["Limit"] == settings.source_requests_per_five_minutes
    assert rate["Action"]["Block"]["CustomResponse"]["ResponseCode"] == 429
    managed = {name for name, rule in found.items() if "ManagedRuleGroupStatement" in rule["Statement"]}
    assert managed == {
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "AWSManagedRulesCommonRuleSet",
    }
    assert all(found[name]["OverrideAction"] == {"None": {}} for name in managed)


def test_managed_rules_that_would_hit_oauth_only_count(every):
    counted = rules(every)["AWSManagedRulesCommonRuleSet"]["Statement"]["ManagedRuleGroupStatement"]

    assert {own["Name"]: own["ActionToUse"] for own in counted["RuleActionOverrides"]} == {
        "NoUserAgent_HEADER": {"Count": {}},
        "SizeRestrictions_QUERYSTRING": {"Count": {}},
        "SizeRestrictions_BODY": {"Count": {}},
        "GenericRFI_QUERYARGUMENTS": {"Count": {}},
        "GenericRFI_BODY": {"Count": {}},
    }


def test_managed_rules_can_be_tried_out_before_they_block(tmp_path):
    firewall = dataclasses.replace(environments.load("dev").api.firewall, blocks=False)

    found = rules(synthesise(tmp_path, with_api("dev", firewall=firewall)))

    assert {rule["OverrideAction"]["Count"] is not None for rule in found.values() if "OverrideAction" in rule} == {
        True
    }
    assert "Block" in found["body-size"]["Action"]  # our own limits go on blocking


@pytest.mark.strategy("API Gateway: WAF integration for security")
@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_the_firewall_guards_the_stage_and_logs_what_it_stopped_without_credentials(synthesised, name):
    one = synthesised(name)
    association = only(one.service, "AWS::WAFv2::WebACLAssociation")
    logging = only(one.service, "AWS::WAFv2::LoggingConfiguration")

    assert text_of(association["ResourceArn"]).rpartition("/")[2].startswith("<ApiRestDeploymentStage")
    assert logging["LoggingFilter"]["DefaultBehavior"] == "DROP"
    redacted = [next(iter(field.values())).get("Name", "query string") for field in logging["RedactedFields"]]
    assert redacted == ["query string", "authorization", "cookie", "x-api-key"]
    (destination,) = logging["LogDestinationConfigs"]
    group = text_of(destination).rpartition("<")[2].rstrip(">")
    assert one.service["Resources"][group]["Properties"]["LogGroupName"] == f"aws-waf-logs-ib-oauth-api-{name}"


def test_samples_show_no_whole_requests(every):
    acl = only(every.service, "AWS::WAFv2::WebACL")

    assert not any(one["VisibilityConfig"]["SampledRequestsEnabled"] for one in [acl, *acl["Rules"]])


def test_only_what_other_servers_call_by_agreement_wants_a_key(every):
    found = routes_of_methods(every)
    with_plans = every.name == "prod"

    heads = {route.replace("GET", "HEAD") for route in ALL_ROUTES if route.startswith("GET ")}
    assert set(KEYED) < ALL_ROUTES
    assert found.keys() == ALL_ROUTES | heads | {f"ANY {path}" for path in PATHS}
    assert {route for route, method in found.items() if method["ApiKeyRequired"]} == (
        set(KEYED) if with_plans else set()
    )


def test_the_function_of_a_path_answers_all_its_methods_so_that_none_is_answered_as_an_unknown_path(every):
    """API Gateway knows no 405: the method ANY brings HEAD and what is wrong to the function (RFC 9110 §15.5.6)."""
    found = routes_of_methods(every)
    for function, routes in ROUTES.items():
        for path, _ in routes:
            integrations = {
                json.dumps(method["Integration"]) for route, method in found.items() if route.partition(" ")[2] == path
            }
            assert len(integrations) == 1
            assert f"{function.title()}Live" in integrations.pop()
            assert f"ANY {path}" in found


@pytest.mark.strategy("API Gateway: Usage plans and API keys")
def test_every_holder_of_a_key_is_in_a_plan_with_a_rate_and_a_quota(prod):
    environment = environments.load("prod")
    plans = {plan["UsagePlanName"]: plan for plan in resources(prod.service, "AWS::ApiGateway::UsagePlan").values()}
    keys = resources(prod.service, "AWS::ApiGateway::ApiKey")
    joined = resources(prod.service, "AWS::ApiGateway::UsagePlanKey").values()

    assert plans.keys() == {f"ib-oauth-{name}-prod" for name in environment.api.usage_plans}
    settings = environment.api.usage_plans["resource-servers"]
    plan = plans["ib-oauth-resource-servers-prod"]
    assert plan["Throttle"] == {"BurstLimit": settings.burst_requests, "RateLimit": settings.requests_per_second}
    assert plan["Quota"] == {"Limit": settings.requests_per_day, "Period": "DAY"}
    assert {key["Name"] for key in keys.values()} == {f"ib-oauth-{holder}-prod" for holder in settings.keys}
    assert {key["KeyId"]["Ref"] for key in joined} == keys.keys()
    assert not any("Value" in key for key in keys.values())
