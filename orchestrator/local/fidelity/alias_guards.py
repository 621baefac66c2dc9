"""Lambda: what PublishVersion, CreateAlias and UpdateAlias refuse, and that parallel updates have one winner.

AWS:

- PublishVersion: "if the value of ``CodeSha256`` is not the hash of the deployment package, or ``RevisionId`` is not the
  function's, the call fails": InvalidParameterValueException (400), PreconditionFailedException (412).
  Where neither code nor configuration changed since the last version, that version is the answer, however often the same
  code was uploaded. https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html
- An alias names a version that exists. Weights are between 0 and 1; a weighted alias's two versions are published ones
  (not ``$LATEST``), with the same execution role and the same dead-letter configuration or none, and not under provisioned
  concurrency.
  https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
  https://docs.aws.amazon.com/lambda/latest/api/API_AliasRoutingConfiguration.html
- UpdateAlias keeps what is omitted, refuses a ``RevisionId`` that is not the alias's latest (412), and gives the alias a new
  one. https://docs.aws.amazon.com/lambda/latest/api/API_UpdateAlias.html

MiniStack checks the RevisionId of an alias and accepts everything else; uploading the same code again makes a version.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

PINNED = {
    "ministack.services.lambda_svc._publish_version": "3bc240a8db5dc832f515f31d2f1b45b51ba333ac13c9f46ad674f0fdeb0839b3",
    "ministack.services.lambda_svc._create_alias": "2fca00d580eb577491600df7c23c66939aece42c4deb4ad18148175a10fe2703",
    "ministack.services.lambda_svc._update_alias": "0017f6b94b062e9042a309044f56cc2a302fb9bc600dc9c495d2c5fb4ec21727",
    "ministack.services.lambda_svc._check_revision": "09b9d0694f8c24c41480a098c6a169d308ebcd3add86dd9fe8ca3e20e9147444",
}

Record = Mapping[str, Any]
LATEST = "$LATEST"

# What says when and under which name a configuration stands, not what it is.
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


class Refused(Exception):
    """AWS refuses the request, with this error code and HTTP status."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def check_publication(config: Record, request: Record) -> None:
    """Hold a PublishVersion request to the function's `$LATEST`; raises Refused."""
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


def configuration(config: Record) -> Record:
    """Return what of a function's configuration makes a version of it: everything but names, states and times."""
    return {name: value for name, value in config.items() if name not in _NOT_CONFIGURATION}


def check_routing(function: Record, function_arn: str, alias: Record) -> None:
    """Hold an alias, as it would be after the request, to AWS's rules; raises Refused.

    Args:
        function: MiniStack's record: `config`, `versions`.
        function_arn: without a qualifier.
        alias: `Name`, `FunctionVersion`, `RoutingConfig`.
    """
    primary = alias["FunctionVersion"]
    weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    for version in (primary, *weights):
        if version != LATEST and version not in function["versions"]:
            raise Refused("ResourceNotFoundException", f"Function not found: {function_arn}:{version}", 404)
    if not weights:
        return
    if len(weights) > 1:
        raise _invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    ((additional, weight),) = weights.items()
    if LATEST in {primary, additional}:
        raise _invalid("$LATEST is not supported for an alias pointing to more than 1 version")
    if additional == primary:
        raise _invalid(
            f"Invalid function version {additional}. Function version {primary} is already included in routing"
        )
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
        raise _invalid(
            f"Invalid weight {weight} for version {additional}. Weights must be between 0.0 and 1.0 inclusive"
        )
    _check_alike(function["versions"][primary]["config"], function["versions"][additional]["config"])
    if alias["Name"] in (function.get("provisioned_concurrency") or {}):
        raise _invalid("Alias with weights can not be used with Provisioned Concurrency")


def _check_alike(primary: Record, additional: Record) -> None:
    if primary.get("Role") != additional.get("Role"):
        raise _invalid("Function versions in an alias with weights must have the same execution role")
    target_of = [(config.get("DeadLetterConfig") or {}).get("TargetArn") for config in (primary, additional)]
    if target_of[0] != target_of[1]:
        raise _invalid("Function versions in an alias with weights must have the same dead-letter configuration")


def _invalid(message: str) -> Refused:
    return Refused("InvalidParameterValueException", message, 400)


@dataclass(frozen=True)
class _Guards:
    """The checks in front of MiniStack's operations."""

    lambda_svc: Any
    lock: threading.RLock = field(default_factory=threading.RLock)

    def guarded(self, check: Callable[..., None]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Wrap an operation so that a check comes first; what was checked is what is changed."""

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

    def remembering(self, original: Callable[[str, Record], Any]) -> Callable[[str, Record], Any]:
        """Wrap PublishVersion so that a version remembers the configuration it was published from."""

        def publish_version(function_name: str, request: Record) -> Any:
            answer = original(function_name, request)
            if function := self.lambda_svc._functions.get(function_name):
                newest = function["versions"][max(function["versions"], key=int)]
                newest.setdefault(_PUBLISHED_FROM, copy.deepcopy(configuration(function["config"])))
            return answer

        return publish_version

    def publication(self, function: Record, _name: str, request: Record) -> None:
        """Check a PublishVersion, and let MiniStack see where nothing changed: it compares revisions."""
        check_publication(function["config"], request)
        latest = function["versions"].get(max(function["versions"], key=int, default=None))
        if latest and latest.get(_PUBLISHED_FROM) == configuration(function["config"]):
            latest["function_revision"] = function["config"]["RevisionId"]

    def new_alias(self, function: Record, name: str, request: Record) -> None:
        """Check a CreateAlias; one whose name is taken is MiniStack's to refuse."""
        if request.get("Name") not in function["aliases"]:
            check_routing(function, self.lambda_svc._func_arn(name), {"FunctionVersion": LATEST, **request})

    def changed_alias(self, function: Record, name: str, alias_name: str, request: Record) -> None:
        """Check an UpdateAlias; one that is not there or has another revision is MiniStack's to refuse."""
        alias = function["aliases"].get(alias_name)
        if alias and self.lambda_svc._check_revision(alias, request) is None:
            check_routing(function, self.lambda_svc._func_arn(name), {**alias, **request, "Name": alias_name})


def install(_options: Options) -> None:
    """Put the mend in place, in this process."""
    from ministack.services import lambda_svc  # noqa: PLC0415 - only in the server process

    guards = _Guards(lambda_svc)
    wrap(lambda_svc, "_publish_version", guards.remembering)
    wrap(lambda_svc, "_publish_version", guards.guarded(guards.publication))
    wrap(lambda_svc, "_create_alias", guards.guarded(guards.new_alias))
    wrap(lambda_svc, "_update_alias", guards.guarded(guards.changed_alias))
