import re

import pytest

from orchestrator import environments
from orchestrator.domain.deployment.policy import DeliveryPolicy
from orchestrator.domain.deployment.strategy import read_strategy
from orchestrator.environments import EnvironmentRefused, load, names

SMALL = environments.settings_file().read_text()


def with_change(tmp_path, old: str, new: str):
    """The file with one change, which must be one."""
    assert SMALL.count(old) == 1, f"{old!r} stands {SMALL.count(old)} times in environments.toml"
    file = tmp_path / "environments.toml"
    file.write_text(SMALL.replace(old, new))
    return file


@pytest.mark.parametrize("name", names())
def test_every_environment_loads(name):
    environment = load(name)

    assert environment.name == name
    assert environment.region == "us-west-1"
    assert environment.service.functions.keys() == set(environments.FUNCTIONS)


@pytest.mark.parametrize("name", names())
def test_every_environment_has_a_delivery_policy_whose_strategies_can_be_read(name):
    policy = DeliveryPolicy.parse(load(name).delivery)

    assert all(read_strategy(strategy, policy).name == strategy for strategy in policy.strategies)


@pytest.mark.strategy("Development Environment: Purpose: testing and development of new features")
def test_there_are_four_and_one_of_them_is_local():
    assert set(names()) == {"dev", "staging", "prod", "local"}
    assert [name for name in names() if load(name).local] == ["local"]


def test_tables_are_merged_key_by_key_over_the_defaults():
    dev, prod = load("dev"), load("prod")

    assert dev.service.throttle_requests_per_second == 100
    assert prod.service.throttle_requests_per_second == 500
    assert prod.service.alarms == dev.service.alarms


def test_a_list_is_replaced_whole():
    assert [client.client_id for client in load("prod").service.clients] == ["synthetic"]
    assert [client.client_id for client in load("local").service.clients] == [
        "demo-client",
        "demo-server",
        "demo-api",
        "synthetic",
    ]


def test_production_is_protected():
    prod = load("prod")

    assert prod.deletion_protection
    assert prod.customer_managed_keys
    assert prod.log_retention_days == 365


def test_an_unknown_environment_is_refused_with_those_there_are():
    with pytest.raises(
        EnvironmentRefused, match=r"environment: 'production' is refused: name one of dev, staging, prod, local"
    ):
        load("production")


def test_a_table_is_named_by_settings_so_that_a_restored_one_can_take_over(tmp_path):
    file = with_change(
        tmp_path, "[prod.delivery]", '[prod.service.tables]\ntokens = "ib-oauth-tokens-prod-r2"\n[prod.delivery]'
    )

    service = load("prod", file).service

    assert (service.state_table, service.tokens_table) == ("ib-oauth-state-prod", "ib-oauth-tokens-prod-r2")


def test_the_local_environment_takes_the_addresses_of_its_processes():
    environment = load("local").with_addresses(
        endpoint_url="http://127.0.0.1:1234", platform_url="http://127.0.0.1:1235"
    )

    assert environment.endpoint_url == "http://127.0.0.1:1234"
    assert {platform.url for platform in environment.service.platforms.values()} == {"http://127.0.0.1:1235"}


def test_no_account_takes_local_addresses():
    with pytest.raises(EnvironmentRefused, match=r"prod\.cloud: 'aws' is refused"):
        load("prod").with_addresses(endpoint_url="http://127.0.0.1:1234")


WRONG = [
    # environment, what stands there, what is put there, what the error says
    ("prod", 'cloud = "aws"  ', 'cloud = "azure"', "prod.cloud: 'azure' is refused: give one of aws, local"),
    ("prod", 'region = "us-west-1"', 'region = "West"', "prod.region: 'West' is refused"),
    ("prod", 'region = "us-west-1"', 'region = "us-gov-west-1"', "prod.region: 'us-gov-west-1' is refused: give a region of the partition aws"),
    ("prod", 'region = "us-west-1"', 'region = "us-west-1"\nlost_region = "cn-north-1"', "prod.lost_region: 'cn-north-1' is refused: give a region of the partition aws"),
    ("prod", 'copy_region = "us-east-2"', 'copy_region = "us-gov-east-1"', "prod.backups.copy_region: 'us-gov-east-1' is refused: give a region of the partition aws"),
    ("prod", "replicas = []", 'replicas = ["cn-north-1"]', "prod.stores.replicas: 'cn-north-1' is refused: give a region of the partition aws"),
    ("dev", "announcers = []", 'announcers = ["arn:aws-us-gov:iam::123456789012:role/ship"]', "dev.announcers: 'arn:aws-us-gov:iam::123456789012:role/ship' is refused"),
    ("dev", "promoters = []", 'promoters = ["arn:aws-cn:iam::123456789012:role/ship"]', "dev.promoters: 'arn:aws-cn:iam::123456789012:role/ship' is refused"),
    ("prod", "max_p99_ms = 3000", "max_p99_ms = inf", "prod.delivery.thresholds.max_p99_ms: inf is refused: give a number from 1 to 900000"),
    ("prod", "minimum_requests = 50  ", "minimum_requests = 0.9", "prod.delivery.thresholds.minimum_requests: 0.9 is refused: give a whole number from 1"),
    ("prod", "rto_minutes = 120  ", "rto_minutes = nan", "prod.recovery.rto_minutes: nan is refused: give a number from 1"),
    ("prod", "traced_percent = 5", "traced_percent = 101", "prod.usage.traced_percent: 101 is refused: give a number from 0 to 100"),
    ("prod", "evaluation_seconds = 60", "evaluation_seconds = 1", "prod.strategies.all-at-once: 'all-at-once' is refused: it may need"),
    ("prod", 'dependencies = "bundled"', 'dependencies = "docker"', "prod.dependencies: 'docker' is refused"),
    ("prod", "log_retention_days = 365", "log_retention_days = 366", "prod.log_retention_days: 366 is refused: give one of 1, 3"),
    ("prod", "log_retention_days = 365", "log_retention_days = true", "prod.log_retention_days: True is refused"),
    ("dev", "announcers = []", 'announcers = ["pipeline"]', "dev.announcers: 'pipeline' is refused: give the complete ARN"),
    ("dev", "announcers = []", 'announcers = ["arn:aws:iam::123456789012:role/*"]', "dev.announcers: 'arn:aws:iam"),
    ("dev", "announcers = []", 'announcers = "all"', "dev.announcers: 'all' is refused: give a list"),
    ("dev", "announcers = []", "announcer = []", "dev.announcer: [] is refused: remove it; known keys are cloud"),
    ("dev", 'issuer = "stage"  ', 'issuer = "https://dev.oauth.example.com/"', "dev.service.issuer:"),
    ("dev", 'issuer = "stage"  ', 'issuer = "http://dev.oauth.example.com"', "dev.service.issuer:"),
    ("dev", 'issuer = "stage"  ', 'issuer = "api"', "dev.service.issuer: 'api' is refused: give an https URL"),
    ("dev", 'issuer = "stage"  ', "#", "dev.service.issuer: None is refused: give an https URL"),
    ("prod", "throttle_requests_per_second = 500", 'throttle_requests_per_second = 500\nissuer = "https://x.example"', "prod.service.issuer: 'https://x.example' is refused: remove it; the issuer is its domain, https://api.oauth.example.com"),
    ("prod", "reserved_concurrency = 200", "reserved_concurrency = 9\nprovisioned_concurrency = 5", "prod.service.functions.token.reserved_concurrency: 9 is refused: give at least 10"),
    ("prod", "reserved_concurrency = 200", "reserved_concurrency = 0", "prod.service.functions.token.reserved_concurrency: 0 is refused: give a whole number from 1"),
    ("prod", "[prod.budget]", '[prod.security]\ncode_signing = "on"\n[prod.budget]', "prod.security.code_signing: 'on' is refused: give one of off, warn, enforce"),
    ("local", "[local.evidence]", '[local.security]\ncode_signing = "warn"\n[local.evidence]', "local.security.code_signing: 'warn' is refused: \"off\": the local cloud has no AWS Signer"),
    ("prod", "[prod.budget]", '[prod.security]\ncode_signing_profile = "arn:aws:signer:us-west-1:123456789012:/signing-profiles/ib_oauth_staging/0123456789"\n[prod.budget]', 'remove it, or set code_signing to "warn" or "enforce"'),
    ("prod", "[prod.budget]", '[prod.security]\ncode_signing = "enforce"\ncode_signing_profile = "ib_oauth_staging"\n[prod.budget]', "prod.security.code_signing_profile: 'ib_oauth_staging' is refused: give the ARN"),
    ("prod", "reserved_concurrency = 200", "provisioned_concurrency = -1", "prod.service.functions.token.provisioned_concurrency: -1"),
    ("dev", "[dev.stores]", 'account = "1234"\n[dev.stores]', "dev.account: '1234' is refused: give the account's 12 digits"),
    ("dev", "[dev.stores]", 'cloud = "local"\n[dev.stores]', "dev.cloud: 'local' is refused: use cloud = "),
    ("dev", "promoters = []", 'promoters = ["arn:aws:iam::123456789012:role/*"]', "dev.promoters: 'arn:aws:iam"),
    ("dev", "operators = []", 'operators = ["nobody"]', "dev.contacts.operators: 'nobody' is refused: give an e-mail address"),
    ("dev", "owners = []", "everybody = []", "dev.contacts.everybody: [] is refused: remove it; known keys are operators, clients, security, owners"),
    ("local", "throttle_burst_requests = 10000", 'throttle_burst_requests = 10000\nissuer = "https://x.example"', "local.service.issuer:"),
    ("dev", 'log_level = "DEBUG"', 'log_level = "debug"', "dev.service.log_level: 'debug' is refused: give one of DEBUG"),
    ("prod", "throttle_requests_per_second = 500", "throttle_requests_per_second = 0", "give a whole number from 1 to 10000"),
    ("prod", "throttle_requests_per_second = 500", "throttle_requests_per_second = 1.5", "throttle_requests_per_second: 1.5"),
    *(
        ("dev", "refresh_grace_seconds = 10", f"refresh_grace_seconds = {value}", f"dev.service.refresh_grace_seconds: {value} is refused: give a whole number from 0 to 60")
        for value in (-1, 61, 1.5)
    ),
    ("prod", "timeout_seconds = 15  ", "timeout_seconds = 30", "prod.service.functions.authorize.timeout_seconds: 30"),
    ("dev", "period_seconds = 10\nminimum", "period_seconds = 15\nminimum", "dev.service.alarms.period_seconds: 15 is refused"),
    ("dev", "server_error_percent = 5", "server_error_percent = 0", "server_error_percent: 0 is refused: give a percentage"),
    ("dev", "metric_delay_seconds = 90 ", "metric_delay_seconds = 59 ", "dev.service.alarms.metric_delay_seconds: 59 is refused: give at least the 60 of delivery"),
    ("dev", "metric_delay_seconds = 90 ", "metric_delay_seconds = 601 ", "dev.service.alarms.metric_delay_seconds: 601 is refused"),
    ("dev", "p99_latency_ms = 3000", "p99_latency_seconds = 3", "dev.service.alarms.p99_latency_ms: None is refused"),
    ("dev", 'url = "https://platform.dev.example.com"', 'url = "http://127.0.0.1:80"', "dev.service.platforms.example.url:"),
    ("local", 'url = "http://127.0.0.1:1"', 'url = "http://10.0.0.1:1"', "local.service.platforms.demo.url:"),
    ("local", "shows_login_context = true", 'shows_login_context = "yes"', "platforms.demo.shows_login_context: 'yes' is refused: give true or false"),
    ("local", 'client_id = "demo-server"', 'client_id = "demo-client"', "give each client_id once"),
    ("local", "2dfcd679", "2DFCD679", "local.service.clients[1].secret_sha256:"),
    ("local", 'name = "Demo client"', 'name = ""', "local.service.clients[0].name: '' is refused: give a text"),
    ("local", 'name = "Demo client"', 'name = "Demo client"\nsynthetic = true', "give exactly one client with synthetic = true"),
    ("local", 'name = "Demo client"', 'name = "Demo client"\nsecret = "x"', "local.service.clients[0].secret: 'x' is refused"),
    ("local", 'redirect_uris = ["http://127.0.0.1/callback"]', "redirect_uris = []", "local.service.clients[0].redirect_uris:"),
    ("local", 'identifies_as = ["https://demo-api.example/"]', "", "local.service.clients[2].redirect_uris:"),
    ("local", 'resources = ["https://demo-api.example/"]', 'resources = "https://demo-api.example/"', "local.service.clients[1].resources:"),
    ("local", 'client_id = "demo-client"', 'client_id = "https://demo.example/client"', "clients[0].client_id: 'https://demo.example/client' is refused: give an identifier"),
    ("local", 'scopes = ["profile", "email"]\n[[', 'scopes = ["profile email"]\n[[', "local.service.clients[0].scopes: 'profile email' is refused: give each scope as one token"),
    ("prod", "client_metadata_documents = false", 'client_metadata_documents = "on"', "prod.service.client_metadata_documents: 'on' is refused: give true or false"),
    ("dev", 'log_level = "DEBUG"', 'log_level = "DEBUG"\nregistration_token_sha256 = "secret"', "dev.service.registration_token_sha256: 'secret' is refused: give 64"),
    ("dev", 'log_level = "DEBUG"', 'log_level = "DEBUG"\nmetadata_document_client_scopes = ["a b"]', "dev.service.metadata_document_client_scopes: 'a b' is refused"),
    ("dev", "[dev.service.platforms.example]", "[dev.service.platform.example]", "at least one identity provider"),
    ("dev", "[defaults.delivery]", "[defaults.elsewhere]", "dev.elsewhere:"),
    ("staging", 'title = "Example platform (staging)"', 'title = "Example platform (staging)"\n[staging.service]\nalarms = 3', "staging.service.alarms: 3 is refused: give a table"),
    ("dev", 'keep_days = 30\nlock = "none"', 'keep_days = 29\nlock = "none"', "dev.evidence.lock_days: 30 is refused: give at most the 29"),
    ("prod", 'lock = "governance"  ', 'lock = "always"', "prod.evidence.lock: 'always' is refused: give one of none"),
    ("dev", "[[defaults.service.clients]]", "[defaults.service.clients]", "is refused: give an array of tables"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "seconds"), [("", 10), ("refresh_grace_seconds = 0", 0), ("refresh_grace_seconds = 60", 60)]
)
def test_the_grace_period_of_refresh_tokens_is_ten_seconds_unless_it_is_set(tmp_path, setting, seconds):
    file = with_change(tmp_path, "refresh_grace_seconds = 10", setting)
    assert environments.load("dev", file).service.refresh_grace_seconds == seconds


@pytest.mark.parametrize(("name", "old", "new", "said"), WRONG, ids=lambda value: re.sub(r"\s+", " ", value)[:40])
def test_a_wrong_setting_is_refused_with_its_place_and_a_remedy(tmp_path, name, old, new, said):
    file = with_change(tmp_path, old, new)

    with pytest.raises(EnvironmentRefused) as refused:
        load(name, file)

    assert said in str(refused.value)


def test_an_environment_s_name_is_a_short_word(tmp_path):
    file = with_change(tmp_path, "[prod.delivery]", '["Produktion!"]\n[prod.delivery]')

    with pytest.raises(EnvironmentRefused, match="Produktion!"):
        names(file)


@pytest.mark.strategy("Scaling: Increased capacity")
def test_an_environment_is_added_by_one_table(tmp_path):
    file = tmp_path / "environments.toml"
    platform = 'service = { issuer = "stage", platforms.example = { url = "https://p.example.com", title = "P" } }'
    file.write_text(f"{SMALL}\n[qa]\n{platform}\n")

    qa, dev = load("qa", file), load("dev", file)

    assert names(file) == (*names(), "qa")
    assert (qa.service.issuer, qa.service.functions) == (None, dev.service.functions)


@pytest.mark.parametrize(("text", "why"), [(None, "name an existing file"), ("[dev\n", "correct the TOML syntax: ")])
def test_a_file_that_cannot_be_read_is_refused_by_its_name(tmp_path, text, why):
    file = tmp_path / "settings.toml"
    if text:
        file.write_text(text)
    with pytest.raises(EnvironmentRefused, match=f"settings.toml' is refused: {why}"):
        environments.load("dev", file)
