"""The settings of the environment that the smoke test deploys: `environments.toml` with one more environment. Pure text."""

from __future__ import annotations

from orchestrator import environments
from orchestrator.smoke.access import CLIENT

NAME = "smoke"
"""The environment's name. Its stacks are called ``ib-oauth-*-smoke``."""

_ACCOUNT = """
# Written by python -m orchestrator.smoke. Everything that protects data is on; what is kept is kept for a day.
[smoke]
region = "{region}"
account = "{account}"
customer_managed_keys = true
deletion_protection = true
log_retention_days = 1
[smoke.stores]
point_in_time_days = 1
[smoke.backups]
keep_days = 1
[smoke.evidence]
keep_days = 1
lock = "none"
lock_days = 1
[smoke.network]
cidr = "10.20.0.0/20"
[smoke.api.firewall]
source_requests_per_five_minutes = 2_000_000_000
[smoke.service]
issuer = "stage"
source_requests_per_second = 10000
source_burst_requests = 10000
[smoke.service.platforms.example]
url = "https://platform.example.com"
title = "No platform: only the synthetic identity logs in"
[[smoke.service.clients]]
client_id = "synthetic"
name = "Synthetic identity"
redirect_uris = ["https://synthetic.invalid/callback"]
scopes = ["profile"]
audience = "urn:ib-oauth:synthetic"
synthetic = true
[[smoke.service.clients]]
client_id = "{client}"
name = "Smoke test"
redirect_uris = ["https://smoke.invalid/callback"]
scopes = ["profile"]
secret_sha256 = "{secret_sha256}"
[smoke.recovery]
drill_schedule = ""
standing_grants = ""
"""
_PIPELINE = """
[smoke.pipeline]
repository = "{repository}"
github_environment = "smoke"
"""


def account_settings(region: str, account: str, secret_sha256: str, repository: str) -> str:
    """Return the settings for an account.

    Args:
        region: of the stacks.
        account: its id.
        secret_sha256: the hash of the secret of the client that makes the load.
        repository: for the pipeline's role; empty for none.
    """
    added = _ACCOUNT.format(region=region, account=account, client=CLIENT, secret_sha256=secret_sha256)
    pipeline = _PIPELINE.format(repository=repository) if repository else ""
    return f"{environments.settings_file().read_text(encoding='utf-8')}{added}{pipeline}"


def local_settings() -> str:
    """Return the settings for the local cloud: those of the local environment, with data protected."""
    before, header, own = environments.settings_file().read_text(encoding="utf-8").partition("[local]\n")
    return f"{before}{header}{own.replace('deletion_protection = false', 'deletion_protection = true', 1)}"
