"""The isolated service of a drill: the code of the live release with restored tables and its own settings. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.token_sanitization import SanitizationState
from orchestrator.domain.verdict import Json, Verdict

FUNCTIONS = ("authorize", "token", "public")
NONE = "none"
"""The service's value for no key ring and for no identity providers."""

# The settings that differ from the live version's: environment variables and their key, role, log group, and the network
# from which it calls DynamoDB and KMS, its only dependencies. Everything else is the live version's.
OVERRIDDEN_SETTINGS = frozenset({"Environment", "KMSKeyArn", "LoggingConfig", "Role", "VpcConfig"})


@dataclass(frozen=True)
class RestoredTables:
    """The tables, the keys and the issuer of a drill's isolated service.

    Attributes:
        state, tokens: the restored tables.
        issuer: its own issuer, at which no server exists.
        signing_key: ARN of its signing key; production publishes other keys.
        least_epoch: the revocation epoch below which it must not serve.
        published: the keys that production publishes, as JSON Web Keys.
        published_by: production's issuer.
    """

    state: str
    tokens: str
    issuer: str
    signing_key: str
    least_epoch: int
    published: Sequence[Mapping[str, str]]
    published_by: str


def refuse_unsafe(state: SanitizationState | None, recovery: str) -> SanitizationState:
    """Return the sanitization state of restored tables that may be served.

    Raises:
        Refused: they are not sanitized, belong to another recovery, or failed the read-back.
    """
    if state is None or state.recovery != recovery:
        raise Refused(
            "tokens", "a table that this recovery did not sanitize", "sanitize its tokens before it is served"
        )
    if state.problem:
        raise Refused("tokens", state.problem, "sanitize its tokens before it is served")
    return state


def issuer_of(recovery: str) -> str:
    """Return the issuer of a drill's service: a host name that never resolves (RFC 2606)."""
    return f"https://{recovery.lower()}.drill.invalid"


def isolated_variables(live: Mapping[str, str], tables: RestoredTables) -> dict[str, str]:
    """Return the environment variables of an isolated function: the live version's, with the drill's own values.

    Variables that the live version lacks are not added, because an older release had fewer variables.
    """
    published = {"issuer": tables.published_by, "keys": [{"x": key["x"], "y": key["y"]} for key in tables.published]}
    overrides = {
        "STATE_TABLE": tables.state,
        "TOKENS_TABLE": tables.tokens,
        # Revocations of a drill stay in its own table and never reach the live log.
        "REVOCATIONS_TABLE": tables.tokens,
        "ISSUER": tables.issuer,
        "SIGNING_KEY_ID": tables.signing_key,
        "KEYS_TABLE": NONE,
        "PLATFORMS": NONE,
        "CLIENT_DOCUMENTS": "off",
        "REGISTRATION": "off",
        "MANAGED_CLIENTS": "off",
    }
    changed = {name: overrides.get(name, value) for name, value in live.items()}
    return {
        **changed,
        "LEAST_EPOCH": str(tables.least_epoch),
        "PUBLISHED_KEYS": json.dumps(published, separators=(",", ":"), allow_nan=False),
    }


def readable_variables(configuration: Mapping[str, Json]) -> Mapping[str, str]:
    """Return the environment variables of a function's configuration.

    Raises:
        Refused: there are none, or they are encrypted with a key that we must not use.
    """
    environment = configuration.get("Environment")
    variables: Mapping[str, str] = environment.get("Variables", {}) if isinstance(environment, Mapping) else {}
    if not variables:
        raise Refused("function", "no readable variables", "grant this task the key that encrypts them")
    return variables


def judge_code(live: Mapping[str, str], served: Mapping[str, str]) -> tuple[Verdict, Mapping[str, Json]]:
    """Judge whether each function has the live version's code. Both: function's short name to its CodeSha256."""
    figures: dict[str, Json] = {name: {"live": live[name], "served": served.get(name, "")} for name in live}
    different = sorted(name for name in live if served.get(name) != live[name])
    if different:
        return Verdict.failed(
            f"{', '.join(different)} would be served with other code than the live version's"
        ), figures
    return Verdict.passed(f"{len(live)} functions have the live version's code, by CodeSha256"), figures


def judge_settings(
    live: Mapping[str, Mapping[str, Json]], served: Mapping[str, Mapping[str, Json]]
) -> tuple[Verdict, Mapping[str, Json]]:
    """Judge whether only `OVERRIDDEN_SETTINGS` differ. Both: function's short name to its configuration."""
    different = {
        name: sorted(
            key
            for key in live[name].keys() | served.get(name, {}).keys()
            if key not in OVERRIDDEN_SETTINGS and live[name].get(key) != served.get(name, {}).get(key)
        )
        for name in live
    }
    figures: dict[str, Json] = {name: list(keys) for name, keys in different.items()}
    problems = [f"{name}: {', '.join(keys)}" for name, keys in sorted(different.items()) if keys]
    if problems:
        return Verdict.failed(
            f"differs from the live version in more than its own settings: {'; '.join(problems)}"
        ), figures
    return Verdict.passed("only settings, role and network differ from the live versions"), figures
