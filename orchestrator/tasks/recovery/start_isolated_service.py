"""StartIsolatedService: create functions with the live versions' code over the restored tables; only settings differ.

Tables that are not sanitized are not served: the sanitization state must be SAFE, for this recovery. The functions
themselves also reject tables with a lower revocation epoch than their setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.application.cloud import LIVE, Cloud, for_each
from orchestrator.application.restored_tokens import restored_tokens_of
from orchestrator.aws.lambda_.isolated_functions import IsolatedFunction
from orchestrator.domain.analysis.observations import HttpRequest
from orchestrator.domain.deployment.release import FunctionVersion
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery import isolated_service
from orchestrator.domain.recovery.isolated_service import RestoredTables, refuse_unsafe
from orchestrator.domain.recovery.record import CheckResult, Recovery, RecoveryAction, Role
from orchestrator.domain.recovery.request import target_name
from orchestrator.domain.recovery.restored_table import DRILL_TAG, tags_of
from orchestrator.domain.untrusted_json import decode_untrusted
from orchestrator.domain.verdict import Verdict
from orchestrator.tasks.runtime import RecoveryTaskInput, RecoveryTaskOutput, recovery_task, save_and_continue

POLL_SECONDS = 1


def start_isolated_service(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Create the functions, and repeat until they can be invoked.

    Raises:
        Refused: the restored tokens table is not sanitized, Lambda does not create a function, or another function has
            its name.
        LockLost: another execution holds the lock.
    """
    ledger = task_input.ledger(cloud)
    recovery = ledger.read_record(task_input.recovery)
    sanitization = refuse_unsafe(restored_tokens_of(recovery, cloud).read_state(), recovery.id)
    ledger.check_lock(task_input.fencing_token)
    live = dict(
        for_each(recovery.service.functions.items(), lambda function: (function[0], _live_version(function[1], cloud)))
    )
    tables = RestoredTables(
        state=recovery.table(Role.STATE).target,
        tokens=recovery.table(Role.TOKENS).target,
        issuer=isolated_service.issuer_of(recovery.id),
        signing_key=cloud.settings["DRILL_SIGNING_KEY"],
        least_epoch=sanitization.epoch,
        published=_published_keys(recovery, cloud),
        published_by=recovery.service.issuer,
    )
    isolated = dict(
        for_each(live.items(), lambda function: (function[0], _find_or_create(recovery, *function, tables, cloud)))
    )
    if pending := [function.problem for function in isolated.values() if function.problem and not function.failed]:
        reason = "; ".join(pending)
        return save_and_continue(task_input, cloud, recovery, reason, RecoveryAction.WAIT, POLL_SECONDS)
    if failed := [function.problem for function in isolated.values() if function.failed]:
        result = CheckResult("serving.code", Verdict.error("; ".join(failed)))
        return save_and_continue(task_input, cloud, recovery.with_check_results(result), failed[0])
    code, code_figures = isolated_service.judge_code(
        {name: version.code_sha256 for name, version in live.items()},
        {name: function.code_sha256 for name, function in isolated.items()},
    )
    settings, settings_figures = isolated_service.judge_settings(
        {name: version.configuration for name, version in live.items()},
        {name: function.configuration for name, function in isolated.items()},
    )
    started = recovery.with_check_results(
        CheckResult("serving.code", code, code_figures), CheckResult("serving.settings", settings, settings_figures)
    )
    return save_and_continue(task_input, cloud, started, f"{code.reason}; {settings.reason}")


def _live_version(function_name: str, cloud: Cloud) -> FunctionVersion:
    """Return the live version; during a deployment, the stable one."""
    return cloud.versions.describe_version(function_name, cloud.aliases.read_alias(function_name).routing.primary)


def _published_keys(recovery: Recovery, cloud: Cloud) -> list[Mapping[str, str]]:
    """Return the signing keys that the live service publishes, as JWKs.

    Raises:
        Refused: it publishes none.
    """
    response = cloud.probe_clients.functions.invoke(
        recovery.service.functions["public"], LIVE, HttpRequest("GET", "/.well-known/jwks.json")
    )
    try:
        document: Any = decode_untrusted(response.body)
        keys: list[Mapping[str, str]] = document["keys"]
    except (ValueError, KeyError, TypeError) as error:
        remedy = "the live service does not publish its keys: check its health"
        raise Refused("keys", response.status, remedy) from error
    return keys


def _find_or_create(
    recovery: Recovery, name: str, live: FunctionVersion, tables: RestoredTables, cloud: Cloud
) -> IsolatedFunction:
    """Return the isolated function, and create it if it does not exist."""
    isolated_name = target_name(recovery.kind, recovery.id, name, recovery.environment)
    function = cloud.isolated_functions.find_function(isolated_name)
    if function is None:
        variables = isolated_service.readable_variables(live.configuration)
        cloud.isolated_functions.create_function(
            isolated_name,
            cloud.isolated_functions.download_package(live.function_name, live.version),
            live.configuration,
            variables=isolated_service.isolated_variables(variables, tables),
            role=cloud.settings["DRILL_ROLE"],
            log_group=cloud.settings["DRILL_LOGS"],
            tags=tags_of(recovery),
        )
        function = cloud.isolated_functions.find_function(isolated_name)
    if function is None:
        raise Refused("function", isolated_name, "it was created and does not exist: another process removes it")
    if function.tags.get(DRILL_TAG) != recovery.id:
        remedy = f"it is left as it is, because it has no tag {DRILL_TAG}={recovery.id}; remove it, or use another key"
        raise Refused("function", isolated_name, remedy)
    return function


handler = recovery_task(start_isolated_service)
