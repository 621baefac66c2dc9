"""ServeRestored: functions of the live versions' own code over the restored tables, told apart by settings and nothing but settings.

A copy that nobody made safe is not served: its mark has to say that it is safe, for this recovery; and the functions themselves
refuse tables of a lower epoch than they are told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.aws.cloud import LIVE, Cloud, for_each
from orchestrator.domain import serving
from orchestrator.domain.errors import Refused
from orchestrator.domain.observation import Request
from orchestrator.domain.recovery import Finding, Recovery, RecoveryAction, Role
from orchestrator.domain.recovery_plan import target_name
from orchestrator.domain.release import Latest
from orchestrator.domain.restored import tags_of
from orchestrator.domain.serving import Copy, refuse_unsafe
from orchestrator.domain.verdict import Verdict
from orchestrator.tasks import Recovered, Recovering, go_on, recovery_task
from orchestrator.tasks.make_tokens_safe import tokens_of

POLL_SECONDS = 1


def serve_restored(given: Recovering, cloud: Cloud) -> Recovered:
    """Make the functions, and come again until they can be called.

    Raises:
        Refused: the copy is not safe, or Lambda does not make a function.
        ClaimLost: another epoch holds the claim.
    """
    ledger = cloud.recoveries(given.kind)
    recovery = ledger.read(given.recovery)
    mark = refuse_unsafe(tokens_of(recovery, cloud).mark(), recovery.id)
    ledger.check_claim(given.epoch)
    live = dict(for_each(recovery.service.functions.items(), lambda one: (one[0], _live(one[1], cloud))))
    copy = Copy(
        state=recovery.table(Role.STATE).target,
        tokens=recovery.table(Role.TOKENS).target,
        issuer=serving.issuer_of(recovery.id),
        signing_key=cloud.settings["DRILL_SIGNING_KEY"],
        least_epoch=mark.epoch,
        published=_published(recovery, cloud),
        published_by=recovery.service.issuer,
    )
    served = dict(for_each(live.items(), lambda one: (one[0], _served(recovery, *one, copy, cloud))))
    if waited_for := [one.problem for one in served.values() if one.problem and not one.failed]:
        return go_on(given, cloud, recovery, "; ".join(waited_for), RecoveryAction.WAIT, POLL_SECONDS)
    if broken := [one.problem for one in served.values() if one.failed]:
        return go_on(given, cloud, recovery.found(Finding("serving.code", Verdict.error("; ".join(broken)))), broken[0])
    code, code_figures = serving.judge_code(
        {name: one.code_sha256 for name, one in live.items()}, {name: one.code_sha256 for name, one in served.items()}
    )
    settings, settings_figures = serving.judge_settings(
        {name: one.configuration for name, one in live.items()},
        {name: one.configuration for name, one in served.items()},
    )
    found = recovery.found(
        Finding("serving.code", code, code_figures), Finding("serving.settings", settings, settings_figures)
    )
    return go_on(given, cloud, found, f"{code.reason}; {settings.reason}")


def _live(function_name: str, cloud: Cloud) -> Latest:
    """The version that clients get; during a deployment, stable."""
    return cloud.versions.describe(function_name, cloud.aliases.read(function_name).routing.primary)


def _published(recovery: Recovery, cloud: Cloud) -> list[Mapping[str, str]]:
    answer = cloud.instruments.functions.invoke(
        recovery.service.functions["public"], LIVE, Request("GET", "/.well-known/jwks.json")
    )
    try:
        keys: list[Mapping[str, str]] = json.loads(answer.body)["keys"]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(
            "keys", answer.status, "the live service does not publish its keys: look at its health"
        ) from error
    return keys


def _served(recovery: Recovery, name: str, live: Latest, copy: Copy, cloud: Cloud) -> Any:
    """The drill's function, made where it is not there yet."""
    own = target_name(recovery.kind, recovery.id, name, recovery.environment)
    found = cloud.serving.find(own)
    if found is None:
        cloud.serving.make(
            own,
            cloud.serving.package(live.function_name, live.version),
            live.configuration,
            variables=serving.variables_of(serving.variables_in(live.configuration), copy),
            role=cloud.settings["DRILL_ROLE"],
            log_group=cloud.settings["DRILL_LOGS"],
            tags=tags_of(recovery),
        )
        found = cloud.serving.find(own)
    if found is None:
        raise Refused("function", own, "it was made and is not there: somebody removes what drills make")
    return found


handler = recovery_task(serve_restored)
