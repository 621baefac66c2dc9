"""Serving the OAuth service from restored tables: the live release's own code, and what is different in its settings. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.errors import Refused
from orchestrator.domain.token_safety import Mark
from orchestrator.domain.verdict import Json, Verdict

FUNCTIONS = ("authorize", "token", "public")
NONE = "none"
"""The service's word for no key ring and for no platforms."""

# What of a function's configuration is the drill's own: what it is told and by whom that is encrypted, whose rights it has, where it
# logs, and from which network it calls DynamoDB and KMS, the only ones that it calls. Everything else is the live version's.
OWN = frozenset({"Environment", "KMSKeyArn", "LoggingConfig", "Role", "VpcConfig"})


@dataclass(frozen=True)
class Copy:
    """What a drill serves from, and with what.

    Attributes:
        state, tokens: the restored tables.
        issuer: its own, at which nobody is.
        signing_key: ARN of the key that signs what it issues; production publishes another.
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


def refuse_unsafe(mark: Mark | None, recovery: str) -> Mark:
    """The mark of a copy that may be served.

    Raises:
        Refused: nobody made it safe, somebody did for another recovery, or what was read back was wrong.
    """
    if mark is None or mark.recovery != recovery:
        raise Refused("tokens", "a copy without the mark of this recovery", "make its tokens safe before it is served")
    if mark.problem:
        raise Refused("tokens", mark.problem, "make its tokens safe before it is served")
    return mark


def issuer_of(recovery: str) -> str:
    """The issuer of what a drill serves: a host that no resolver will ever find (RFC 2606)."""
    return f"https://{recovery.lower()}.drill.invalid"


def variables_of(live: Mapping[str, str], copy: Copy) -> dict[str, str]:
    """The variables of a drill's function: the live version's, but for where it looks, who it is, and that it asks nobody.

    What the live version does not know it is not told: a release before this one had fewer variables.
    """
    published = {"issuer": copy.published_by, "keys": [{"x": key["x"], "y": key["y"]} for key in copy.published]}
    own = {
        "STATE_TABLE": copy.state,
        "TOKENS_TABLE": copy.tokens,
        # It is thrown away with the copy; the live log hears nothing of a drill.
        "REVOCATIONS_TABLE": copy.tokens,
        "ISSUER": copy.issuer,
        "SIGNING_KEY_ID": copy.signing_key,
        "KEYS_TABLE": NONE,
        "PLATFORMS": NONE,
        "CLIENT_DOCUMENTS": "off",
        "REGISTRATION": "off",
    }
    changed = {name: own.get(name, value) for name, value in live.items()}
    return {
        **changed,
        "LEAST_EPOCH": str(copy.least_epoch),
        "PUBLISHED_KEYS": json.dumps(published, separators=(",", ":")),
    }


def variables_in(configuration: Mapping[str, Json]) -> Mapping[str, str]:
    """The variables in a function's configuration.

    Raises:
        Refused: there are none, or they are encrypted under a key that we may not use.
    """
    found = configuration.get("Environment")
    variables: Mapping[str, str] = found.get("Variables", {}) if isinstance(found, Mapping) else {}
    if not variables:
        raise Refused("function", "no variables that can be read", "let this task use the key that encrypts them")
    return variables


def judge_code(live: Mapping[str, str], served: Mapping[str, str]) -> tuple[Verdict, Mapping[str, Json]]:
    """Whether each function serves the live version's own code: by CodeSha256, function by short name."""
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
    """Whether nothing but variables, role and log group is different: configuration by function's short name."""
    different = {
        name: sorted(
            key
            for key in live[name].keys() | served.get(name, {}).keys()
            if key not in OWN and live[name].get(key) != served.get(name, {}).get(key)
        )
        for name in live
    }
    figures: dict[str, Json] = {name: list(keys) for name, keys in different.items()}
    told = [f"{name}: {', '.join(keys)}" for name, keys in sorted(different.items()) if keys]
    if told:
        return Verdict.failed(f"differs from the live version in more than settings: {'; '.join(told)}"), figures
    return Verdict.passed("nothing but settings, rights and network differs from the live versions"), figures
