"""What an environment may say of its API, tables, backups, network, people and money: each is refused by place, value and remedy."""

import hashlib
import tomllib

import pytest

from orchestrator import environments
from orchestrator.domain.schema import EnvironmentRefused, SettingsReader
from orchestrator.environments.api import ThrottleSettings, UsagePlanSettings, read_api
from orchestrator.environments.network import read_network
from orchestrator.environments.notifications import read_notifications
from orchestrator.environments.ownership import read_budget, read_contacts
from orchestrator.environments.settings_document import merge
from orchestrator.environments.tables_and_backups import UnitsSettings, read_backups, read_stores

FIREWALL = {
    "blocks": True,
    "source_requests_per_five_minutes": 1000,
    "largest_body_bytes": 8192,
    "largest_query_bytes": 4096,
}
DOMAIN = {"name": "api.example.com", "hosted_zone": "example.com", "hosted_zone_id": "Z1"}
CERTIFICATE = "arn:aws:acm:us-west-1:123456789012:certificate/3f1a"
THROTTLE = {"requests_per_second": 10, "burst_requests": 20}
PLAN = {**THROTTLE, "requests_per_day": 1000, "keys": ["orders"]}
ON_DEMAND = {"capacity": "on-demand", "target_utilisation_percent": 70, "point_in_time_days": 35}
UNITS = {"least_reads": 5, "most_reads": 50, "least_writes": 5, "most_writes": 50}
PROVISIONED = {**ON_DEMAND, "capacity": "provisioned", "units": {"state": UNITS, "tokens": UNITS}}
BACKUPS = {"hour_utc": 5, "keep_days": 35, "lock": "none", "copy_keep_days": 35}


def without(values: dict, *keys: str) -> dict:
    return {key: value for key, value in values.items() if key not in keys}


def api(**changes):
    return read_api(SettingsReader("prod.api", {"firewall": FIREWALL, **changes}))


def test_an_api_without_a_domain_keeps_the_address_of_its_stage_and_requires_no_key():
    found = api()

    assert found.domain is None
    assert found.throttles == found.usage_plans == {}


def test_a_domain_has_its_record_and_certificate_made_or_configured():
    made, existing = api(domain=DOMAIN), api(domain={"name": "api.example.com", "certificate_arn": CERTIFICATE})

    assert (made.domain.hosted_zone_id, made.domain.certificate_arn) == ("Z1", None)
    assert (existing.domain.hosted_zone_id, existing.domain.certificate_arn) == (None, CERTIFICATE)


def test_routes_and_holders_of_keys_have_limits_of_their_own():
    found = api(throttles={"POST /token": THROTTLE}, usage_plans={"partners": PLAN})

    assert found.throttles == {"POST /token": ThrottleSettings(10, 20)}
    assert found.usage_plans == {"partners": UsagePlanSettings(10, 20, 1000, ("orders",))}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"domain": {**DOMAIN, "name": "API"}}, "prod.api.domain.name: 'API' is refused: give a host name"),
        ({"domain": {**DOMAIN, "hosted_zone_id": "1"}}, "prod.api.domain.hosted_zone_id: '1' is refused"),
        ({"domain": without(DOMAIN, "hosted_zone_id")}, "prod.api.domain.hosted_zone_id: None is refused: give hosted_zone and"),
        ({"domain": without(DOMAIN, "hosted_zone")}, "prod.api.domain.hosted_zone: None is refused: give hosted_zone and"),
        ({"domain": {**DOMAIN, "hosted_zone": "ample.com"}}, "hosted_zone: 'ample.com' is refused: give a zone that contains api.example.com"),
        ({"domain": {"name": "api.example.com"}}, "prod.api.domain.certificate_arn: None is refused: give a certificate, or a hosted zone"),
        ({"domain": {**DOMAIN, "certificate_arn": "arn:x"}}, "prod.api.domain.certificate_arn: 'arn:x' is refused"),
        ({"domain": {**DOMAIN, "zone": "x"}}, "prod.api.domain.zone: 'x' is refused: remove it"),
        ({"throttles": {"/token": THROTTLE}}, "'/token' is refused: give a method and a path, such as POST /token"),
        ({"throttles": {"POST /token": {**THROTTLE, "burst_requests": 0}}}, "prod.api.throttles.POST /token.burst_requests: 0"),
        ({"usage_plans": {"partners": {**PLAN, "keys": []}}}, "prod.api.usage_plans.partners.keys: [] is refused: give a list of at least 1"),
        ({"usage_plans": {"partners": {**PLAN, "keys": ["Orders"]}}}, "prod.api.usage_plans.partners: 'Orders' is refused"),
        ({"usage_plans": {"a": PLAN, "b": PLAN}}, "prod.api.usage_plans: ['orders', 'orders'] is refused: list each holder once"),
        ({"firewall": {**FIREWALL, "blocks": "yes"}}, "prod.api.firewall.blocks: 'yes' is refused: give true or false"),
        ({"firewall": {**FIREWALL, "source_requests_per_five_minutes": 9}}, "source_requests_per_five_minutes: 9 is refused: give a whole number from 10"),
        ({"firewall": {**FIREWALL, "largest_body_bytes": 16_385}}, "prod.api.firewall.largest_body_bytes: 16385"),
        ({"firewall": {**FIREWALL, "largest_query_bytes": 0}}, "prod.api.firewall.largest_query_bytes: 0"),
        ({"cors": {}}, "prod.api.cors: {} is refused: remove it; known keys are"),
    ],
)  # fmt: skip
def test_a_wrong_api_is_refused(changes, said):
    with pytest.raises(EnvironmentRefused) as refused:
        api(**changes)

    assert said in str(refused.value)


def test_capacity_is_on_demand_or_between_bounds():
    on_demand, provisioned = (
        read_stores(SettingsReader("prod.stores", one), "us-west-1") for one in (ON_DEMAND, PROVISIONED)
    )

    assert not on_demand.provisioned
    assert provisioned.provisioned
    assert provisioned.units == {"state": UnitsSettings(5, 50, 5, 50), "tokens": UnitsSettings(5, 50, 5, 50)}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({**ON_DEMAND, "capacity": "auto"}, "prod.stores.capacity: 'auto' is refused: give one of on-demand, provisioned"),
        ({**PROVISIONED, "capacity": "on-demand"}, 'is refused: remove it, or set capacity = "provisioned"'),
        (without(PROVISIONED, "units"), "prod.stores.units.state.least_reads: None is refused: give a whole number from 1"),
        ({**PROVISIONED, "units": {"state": UNITS, "tokens": {**UNITS, "most_writes": 4}}}, "prod.stores.units.tokens.most_writes: 4 is refused: give at least the 5"),
        ({**PROVISIONED, "units": {"state": UNITS, "tokens": UNITS, "keys": UNITS}}, "prod.stores.units.keys:"),
        ({**ON_DEMAND, "point_in_time_days": 36}, "prod.stores.point_in_time_days: 36 is refused: give a whole number from 1 to 35"),
        ({**ON_DEMAND, "target_utilisation_percent": 95}, "prod.stores.target_utilisation_percent: 95"),
        ({**ON_DEMAND, "replicas": ["us-west-1"]}, "prod.stores.replicas: 'us-west-1' is refused: give each region other than us-west-1 once"),
        ({**ON_DEMAND, "replicas": ["us-east-1", "us-east-1"]}, "prod.stores.replicas: 'us-east-1' is refused"),
    ],
)  # fmt: skip
def test_wrong_tables_are_refused(values, said):
    with pytest.raises(EnvironmentRefused) as refused:
        read_stores(SettingsReader("prod.stores", values), "us-west-1")

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hour_utc": 24}, "prod.backups.hour_utc: 24 is refused: give a whole number from 0 to 23"),
        ({"lock": "yes"}, "prod.backups.lock: 'yes' is refused: give one of none, governance, compliance"),
        ({"copy_region": "us-west-1"}, "prod.backups.copy_region: 'us-west-1' is refused: give a region other than"),
        ({"copy_region": "Ohio"}, "prod.backups.copy_region: 'Ohio' is refused: give a region"),
        ({"keep_days": 0}, "prod.backups.keep_days: 0"),
    ],
)
def test_wrong_backups_are_refused(changes, said):
    with pytest.raises(EnvironmentRefused) as refused:
        read_backups(SettingsReader("prod.backups", {**BACKUPS, **changes}), "us-west-1")

    assert said in str(refused.value)


@pytest.mark.parametrize(("share", "refused"), [(30, False), (31, True)])
def test_a_recovery_reads_no_more_than_autoscaling_leaves_to_it(tmp_path, share, refused):
    """prod is provisioned: clients use up to 70 % of what there is. dev is on demand."""
    file = tmp_path / "environments.toml"
    text = environments.settings_file().read_text()
    assert text.count("read_share_percent = 20 ") == text.count("target_utilisation_percent = 70") == 1
    file.write_text(text.replace("read_share_percent = 20 ", f"read_share_percent = {share} "))
    assert environments.load("dev", file).recovery["read_share_percent"] == share
    if refused:
        with pytest.raises(EnvironmentRefused, match=r"prod\.recovery\.read_share_percent: 31 .* at most 30"):
            environments.load("prod", file)
    else:
        assert environments.load("prod", file).recovery["read_share_percent"] == share


def test_an_environment_that_had_to_go_where_its_copies_are_sends_none_there():
    backups = SettingsReader("prod.backups", {**BACKUPS, "copy_region": "us-east-2"})
    stores = SettingsReader("prod.stores", {**ON_DEMAND, "replicas": ["us-east-1", "us-east-2"]})

    assert read_backups(backups, "us-east-2", "us-west-1").copy_region is None
    assert read_stores(stores, "us-east-2", "us-west-1").replicas == ("us-east-1",)


@pytest.mark.parametrize("cidr", ["10.20.0.1/20", "8.8.0.0/20", "10.0.0.0/8", "10.20.0.0/25", "network"])
def test_a_network_is_a_private_block_with_room(cidr):
    assert read_network(SettingsReader("prod.network", {"cidr": "10.20.0.0/20"})).cidr == "10.20.0.0/20"
    with pytest.raises(EnvironmentRefused, match=r"prod\.network\.cidr: .* give a private IPv4 block"):
        read_network(SettingsReader("prod.network", {"cidr": cidr}))


def test_operators_are_notified_by_mail():
    found = read_contacts(SettingsReader("prod.contacts", {"operators": ["a@example.com"]}))

    assert found == {
        "operators": ("a@example.com",),
        "clients": (),
        "security": (),
        "owners": (),
    }


@pytest.mark.parametrize("address", ["a b@example.com", "+49 30 1", "a@example"])
def test_an_address_that_cannot_be_notified_is_refused(address):
    with pytest.raises(EnvironmentRefused, match=r"prod\.contacts\.owners: .* is refused: give an e-mail address$"):
        read_contacts(SettingsReader("prod.contacts", {"owners": [address]}))


@pytest.mark.parametrize("address", ["http://hooks.example.com/x", "https://hooks.slack.com/services/x"])
def test_a_chat_is_refused_as_a_contact_and_the_error_names_where_it_belongs(address):
    with pytest.raises(EnvironmentRefused) as refused:
        read_contacts(SettingsReader("prod.contacts", {"operators": [address]}))
    assert str(refused.value).startswith(
        f"prod.contacts.operators: '{address}' is refused: give an e-mail address here"
    )
    assert "[[….notifications]]" in refused.value.remedy
    assert "docs/guides/notifications.md" in refused.value.remedy


PAGER = {
    "name": "on-call", "kind": "pagerduty", "secret": "arn:aws:secretsmanager:us-west-1:123456789012:secret:a-AbCdEf",
    "minimum_severity": "error", "audiences": ["operators"],
}  # fmt: skip


def test_an_address_of_this_machine_is_for_notifications_of_the_local_cloud_alone():
    table = {"notifications": [{**PAGER, "address": "http://127.0.0.1:8080"}]}
    assert read_notifications(SettingsReader("local", table), local=True)[0].address == "http://127.0.0.1:8080"
    with pytest.raises(
        EnvironmentRefused, match=r"prod\.notifications\[0\]\.address: .* is refused: give an https address"
    ):
        read_notifications(SettingsReader("prod", table), local=False)


def test_destinations_have_to_fit_into_the_variable_of_a_function():
    long = [{**PAGER, "name": f"n{number}", "secret": PAGER["secret"] + "x" * 200} for number in range(8)]
    with pytest.raises(EnvironmentRefused, match=r"prod\.notifications: '\d+ bytes' is refused: give fewer or shorter"):
        read_notifications(SettingsReader("prod", {"notifications": long}), local=False)


@pytest.mark.parametrize("name", environments.names())
def test_no_environment_has_destinations_unless_it_says_so(name):
    assert environments.load(name).notifications == ()


@pytest.mark.parametrize("percents", [[80, 50], [50, 50], [0], [201], [True], ["80"], 80])
def test_alerts_of_a_budget_are_rising_percentages(percents):
    assert read_budget(
        SettingsReader("prod.budget", {"monthly_usd": 9, "alert_percents": [50, 120], "anomaly_monitor": False})
    ).alert_percents == (
        50,
        120,
    )
    with pytest.raises(EnvironmentRefused, match=r"prod\.budget\.alert_percents: .* each greater than the one before"):
        read_budget(SettingsReader("prod.budget", {"monthly_usd": 9, "alert_percents": percents}))


GAUGE = {
    "name": "queue", "kind": "http_json", "direction": "higher_is_worse", "margin_percent": 5,
    "url": "http://127.0.0.1:8080/", "value": "/depth", "line": 9,
}  # fmt: skip
WEBHOOK = {
    "name": "load", "kind": "webhook", "phases": [], "timeout_seconds": 5, "url": "http://127.0.0.1:8080/",
    "secret": "arn:aws:secretsmanager:us-west-1:123456789012:secret:a-AbCdEf",
}  # fmt: skip
METRIC = {
    "name": "orders", "kind": "cloudwatch", "direction": "higher_is_worse", "margin_percent": 1, "function": "orders",
    "namespace": "Shop", "count": "Bad", "total": "All", "dimensions": {"Version": "{version}"},
}  # fmt: skip
APPROVAL = {"type": "approve", "approvers": ["ann"], "deadline_seconds": 60}
GATED = {"type": "canary", "steps": [{"weight_percent": 10, "bake_seconds": 600}, APPROVAL]}
LOCAL_GATED = {"type": "canary", "steps": [{"weight_percent": 10, "bake_seconds": 20}, APPROVAL]}


@pytest.mark.parametrize(
    ("name", "tables", "field"),
    [
        ("prod", {"delivery": {"checks": [GAUGE]}}, "prod.delivery.checks[0].url"),
        ("prod", {"delivery": {"hooks": [WEBHOOK]}}, "prod.delivery.hooks[0].url"),
        ("prod", {"strategies": {"gated": GATED}}, "prod.strategies.gated"),
        ("local", {"delivery": {"checks": [METRIC]}}, "local.delivery.checks[0].function"),
    ],
)
def test_checks_hooks_and_approvers_that_do_not_fit_the_environment_are_refused(name, tables, field):
    defaults = tomllib.loads(environments.settings_file().read_text(encoding="utf-8"))
    document = merge(merge(defaults["defaults"], defaults[name]), tables)
    with pytest.raises(EnvironmentRefused) as refused:
        environments.read_environment(name, SettingsReader(name, document))
    assert refused.value.field.startswith(field)
    assert refused.value.remedy


@pytest.mark.parametrize(
    "tables", [{"delivery": {"checks": [GAUGE], "hooks": [WEBHOOK]}}, {"strategies": {"gated": LOCAL_GATED}}]
)
def test_the_local_cloud_may_use_loopback_addresses_and_names(tables):
    defaults = tomllib.loads(environments.settings_file().read_text(encoding="utf-8"))
    document = merge(merge(defaults["defaults"], defaults["local"]), tables)
    assert environments.read_environment("local", SettingsReader("local", document)).local


def test_a_delivery_policy_that_does_not_fit_into_a_variable_is_refused():
    defaults = tomllib.loads(environments.settings_file().read_text(encoding="utf-8"))
    steps = {f"{hashlib.sha256(str(number).encode()).hexdigest()}": {"type": "all-at-once"} for number in range(60)}
    document = merge(merge(defaults["defaults"], defaults["prod"]), {"strategies": steps})
    with pytest.raises(EnvironmentRefused, match="as a variable of a function they may have 2380"):
        environments.read_environment("prod", SettingsReader("prod", document))
