"""Lambda: requests that PublishVersion, CreateAlias and UpdateAlias reject; of concurrent updates one succeeds.

AWS:

- PublishVersion: "if the value of ``CodeSha256`` is not the hash of the deployment package, or ``RevisionId`` is not
  the function's, the call fails": InvalidParameterValueException (400), PreconditionFailedException (412). If neither
  code nor configuration changed since the last version, PublishVersion returns that version, however often the same
  code was uploaded. https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html
- An alias names an existing version. A weight outside 0 to 1, and a weight for ``$LATEST``, is no valid request
  (ValidationException); ``$LATEST`` with weights is InvalidParameterValueException. The two versions of a weighted alias are published
  (not ``$LATEST``), have the same execution role and the same dead-letter configuration or none, and do not have
  provisioned concurrency. https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
  https://docs.aws.amazon.com/lambda/latest/api/API_AliasRoutingConfiguration.html
- UpdateAlias keeps omitted settings, rejects a ``RevisionId`` that is not the alias's latest (412), and gives the
  alias a new revision id. https://docs.aws.amazon.com/lambda/latest/api/API_UpdateAlias.html
- Deleting an alias that does not exist is no error. These answers were recorded on AWS
  (`tests/contract/parity/cases/lambda_.py` names the recordings).

Stock MiniStack checks only the RevisionId of an alias and accepts everything else. Uploading the same code again
creates a new version.
"""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.lambda_svc._publish_version": "3bc240a8db5dc832",
    "ministack.services.lambda_svc._create_alias": "2fca00d580eb5774",
    "ministack.services.lambda_svc._get_alias": "772310d801b93f47",
    "ministack.services.lambda_svc._delete_alias": "425784b531066a22",
    "ministack.services.lambda_svc._update_alias": "0017f6b94b062e90",
    "ministack.services.lambda_svc._check_revision": "09b9d0694f8c24c4",
}

Record = Mapping[str, Any]
LATEST = "$LATEST"

# Fields that describe the state or name of a configuration, not its content.
_NOT_CONFIGURATION = frozenset(
    {
        "FunctionArn",
        "LastModified",
        "LastUpdateStatus",
        "LastUpdateStatusReason",
        "LastUpdateStatusReasonCode",
        "RevisionId",
        "State",
        "StateReason",
        "StateReasonCode",
        "Version",
    }
)
_PUBLISHED_FROM = "published_from"
_ALIAS_NAME = "(?!^[0-9]+$)([a-zA-Z0-9-_]+)"


class Refused(Exception):
    """AWS rejects the request with this error code and HTTP status."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def check_publication(config: Record, request: Record) -> None:
    """Check a PublishVersion request against the function's `$LATEST`; raises Refused."""
    expected_digest = request.get("CodeSha256")
    if expected_digest and expected_digest != config.get("CodeSha256"):
        raise _invalid(
            f"CodeSHA256 ({expected_digest}) is different from current CodeSHA256 in $LATEST "
            f"({config.get('CodeSha256')}). Please try again with the CodeSHA256 in $LATEST."
        )
    expected_revision = request.get("RevisionId")
    if expected_revision and expected_revision != config.get("RevisionId"):
        raise Refused(
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
            "retrieve the latest Revision Id",
            412,
        )


def versioned_configuration(config: Record) -> Record:
    """Return the part of a function's configuration that defines a version: all but names, states and times."""
    return {name: value for name, value in config.items() if name not in _NOT_CONFIGURATION}


def check_routing(function: Record, function_arn: str, alias: Record) -> None:
    """Check an alias, as it would be after the request, against AWS's rules; raises Refused.

    Args:
        function: MiniStack's record: `config`, `versions`.
        function_arn: the ARN without a qualifier.
        alias: `Name`, `FunctionVersion`, `RoutingConfig`.
    """
    primary = alias["FunctionVersion"]
    weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    _check_weights(weights)
    for version in (primary, *weights):
        if version != LATEST and version not in function["versions"]:
            raise Refused("ResourceNotFoundException", f"Function not found: {function_arn}:{version}", 404)
    if not weights:
        return
    if len(weights) > 1:
        raise _invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    (additional,) = weights
    if primary == LATEST:
        raise _invalid("$LATEST is not supported for an alias pointing to more than 1 version")
    if additional == primary:
        raise _invalid(
            f"Invalid function version {additional}. Function version {primary} is already included in routing "
            "configuration."
        )
    _check_same_role_and_dead_letter(
        function["versions"][primary]["config"], function["versions"][additional]["config"]
    )
    if alias["Name"] in (function.get("provisioned_concurrency") or {}):
        raise _invalid("Alias with weights can not be used with Provisioned Concurrency")


def _check_weights(weights: Record) -> None:
    """Check the weights as AWS's model does, which comes before any look at the function."""
    shown = ", ".join(f"{version}={weight}" for version, weight in weights.items())
    for weight in weights.values():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
            raise _not_in_model(
                f"{{{shown}}}",
                "routingConfig.additionalVersionWeights",
                "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must "
                "have value greater than or equal to 0.0, Member must not be null]",
            )
    if any(not re.fullmatch("[0-9]+", version) for version in weights):
        raise _not_in_model(
            f"{{{shown}}}",
            "routingConfig.additionalVersionWeights",
            "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have "
            "length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]",
        )


def check_alias_name(name: str) -> None:
    """Check an alias's name against AWS's model; raises Refused."""
    if not re.fullmatch(_ALIAS_NAME, name):
        raise _not_in_model(name, "name", f"Member must satisfy regular expression pattern: {_ALIAS_NAME}")


def _not_in_model(value: str, path: str, constraint: str) -> Refused:
    """Return AWS's rejection of a request that its model does not allow."""
    message = f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: {constraint}"
    return Refused("ValidationException", message, 400)


def _check_same_role_and_dead_letter(primary: Record, additional: Record) -> None:
    if primary.get("Role") != additional.get("Role"):
        raise _invalid("Function versions in an alias with weights must have the same execution role")
    target_of = [(config.get("DeadLetterConfig") or {}).get("TargetArn") for config in (primary, additional)]
    if target_of[0] != target_of[1]:
        raise _invalid("Function versions in an alias with weights must have the same dead-letter configuration")


def _invalid(message: str) -> Refused:
    return Refused("InvalidParameterValueException", message, 400)


@dataclass(frozen=True)
class _Guards:
    """Checks that run before MiniStack's operations."""

    lambda_svc: Any
    lock: threading.RLock = field(default_factory=threading.RLock)

    def checked_by(self, check: Callable[..., None]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Wrap an operation so that a check runs first, under one lock with the operation."""

        def guarding(original: Callable[..., Any]) -> Callable[..., Any]:
            def operation(function_name: str, *arguments: Any) -> Any:
                with self.lock:
                    function = self.lambda_svc._functions.get(function_name)
                    try:
                        if function:
                            check(function, function_name, *arguments)
                    except Refused as refused:
                        return self.lambda_svc.error_response_json(refused.code, str(refused), refused.status)
                    return original(function_name, *arguments)

            return operation

        return guarding

    def keeping_configuration(self, original: Callable[[str, Record], Any]) -> Callable[[str, Record], Any]:
        """Wrap PublishVersion so that a version keeps the configuration it was published from."""

        def publish_version(function_name: str, request: Record) -> Any:
            response = original(function_name, request)
            if function := self.lambda_svc._functions.get(function_name):
                newest = function["versions"][max(function["versions"], key=int)]
                newest.setdefault(_PUBLISHED_FROM, copy.deepcopy(versioned_configuration(function["config"])))
            return response

        return publish_version

    def check_publication(self, function: Record, _name: str, request: Record) -> None:
        """Check a PublishVersion request.

        MiniStack compares revisions, so an unchanged function gets the revision of its last version.
        """
        check_publication(function["config"], request)
        latest = function["versions"].get(max(function["versions"], key=int, default=None))
        if latest and latest.get(_PUBLISHED_FROM) == versioned_configuration(function["config"]):
            latest["function_revision"] = function["config"]["RevisionId"]

    def check_new_alias(self, function: Record, name: str, request: Record) -> None:
        """Check a CreateAlias request."""
        alias_name, arn = str(request.get("Name", "")), self.lambda_svc._func_arn(name)
        check_alias_name(alias_name)
        if alias_name in function["aliases"]:
            raise Refused("ResourceConflictException", f"Alias already exists: {arn}:{alias_name}", 409)
        check_routing(function, arn, {"FunctionVersion": LATEST, **request})

    def creating_on_function(self, original: Callable[[str, Record], Any]) -> Callable[[str, Record], Any]:
        """Wrap CreateAlias so that a missing function is reported with the version, as on AWS."""

        def create_alias(function_name: str, request: Record) -> Any:
            if function_name in self.lambda_svc._functions:
                return original(function_name, request)
            missing = f"{self.lambda_svc._func_arn(function_name)}:{request.get('FunctionVersion', LATEST)}"
            return self.lambda_svc.error_response_json(
                "ResourceNotFoundException", f"Function not found: {missing}", 404
            )

        return create_alias

    def getting(self, original: Callable[[str, str], Any]) -> Callable[[str, str], Any]:
        """Wrap GetAlias so that it names a missing alias as AWS does; UpdateAlias has other words for it."""

        def get_alias(function_name: str, alias_name: str) -> Any:
            function = self.lambda_svc._functions.get(function_name)
            if not function or alias_name in function["aliases"]:
                return original(function_name, alias_name)
            arn = f"{self.lambda_svc._func_arn(function_name)}:{alias_name}"
            return self.lambda_svc.error_response_json(
                "ResourceNotFoundException", f"Cannot find alias arn: {arn}", 404
            )

        return get_alias

    def deleting(self, original: Callable[[str, str], Any]) -> Callable[[str, str], Any]:
        """Wrap DeleteAlias so that a missing alias is no error, and takes its provisioned concurrency along."""

        def delete_alias(function_name: str, alias_name: str) -> Any:
            function = self.lambda_svc._functions.get(function_name)
            if function and alias_name not in function["aliases"]:
                return 204, {}, b""
            (function or {}).get("provisioned_concurrency", {}).pop(alias_name, None)
            return original(function_name, alias_name)

        return delete_alias

    def check_changed_alias(self, function: Record, name: str, alias_name: str, request: Record) -> None:
        """Check an UpdateAlias request. MiniStack itself rejects an unknown alias or another revision."""
        alias = function["aliases"].get(alias_name)
        if alias and self.lambda_svc._check_revision(alias, request) is None:
            check_routing(function, self.lambda_svc._func_arn(name), {**alias, **request, "Name": alias_name})


def install(_options: Options) -> None:
    """Install the patch in this process."""
    from ministack.services import lambda_svc  # noqa: PLC0415 - only in the server process

    guards = _Guards(lambda_svc)
    wrap(lambda_svc, "_publish_version", guards.keeping_configuration)
    wrap(lambda_svc, "_publish_version", guards.checked_by(guards.check_publication))
    wrap(lambda_svc, "_create_alias", guards.checked_by(guards.check_new_alias))
    wrap(lambda_svc, "_create_alias", guards.creating_on_function)
    wrap(lambda_svc, "_get_alias", guards.getting)
    wrap(lambda_svc, "_delete_alias", guards.deleting)
    wrap(lambda_svc, "_update_alias", guards.checked_by(guards.check_changed_alias))
