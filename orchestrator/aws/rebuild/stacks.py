"""CloudFormation: bring a stack to what an assembly says, from whatever state a former attempt left it in.

A stack that has retained resources is created by an import of them, and then updated (`orchestrator.domain.rebuild.
template` says why). Each call continues where the stack is: a change set that was never executed is made again, an
import that is complete is followed by its update, and a stack that has the assembly's template is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from orchestrator.aws.clients import translate_errors
from orchestrator.aws.rebuild.assemblies import Assembly
from orchestrator.aws.rebuild.operations import (
    CAPABILITIES,
    COMPLETE,
    failures_of,
    stack_request,
    stack_status,
    start_operation,
)
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.rebuild.plan import PlannedStack
from orchestrator.domain.rebuild.template import IDENTIFIERS, import_template

_CHANGE_SET: Final = "rebuild"
_CAN_BE_UPDATED: Final = frozenset({"IMPORT_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", *COMPLETE})
_NOTHING_EXECUTED: Final = "REVIEW_IN_PROGRESS"
_NEVER_COMPLETE: Final = frozenset({_NOTHING_EXECUTED, "ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"})
"""States of a stack whose creation or import came to nothing. It has no resources, and is deleted and made again."""
_REMEDIES: Final[Mapping[str, str]] = {
    "ROLLBACK_FAILED": "`orchestrator remove-failed-stacks` removes it, then repeat the command",
    "UPDATE_ROLLBACK_FAILED": "`aws cloudformation continue-update-rollback` ends its rollback, then repeat the command",
    "IMPORT_ROLLBACK_FAILED": "delete it by `aws cloudformation delete-stack`, which retains what it imported, "
    "then repeat the command",
    "DELETE_FAILED": "delete it by `aws cloudformation delete-stack`, then repeat the command",
}
_REMEDY: Final = "remove the cause, then repeat the command"
_LARGEST_BODY: Final = 51_200
"""Bytes of a template in a request. A larger one is in a bucket."""
_POLL_SECONDS, _LONGEST_SECONDS = 2.0, 3600.0
_REASONS: Final = 5
"""Failures of a stack that a message has."""


class StackNotRebuilt(OrchestratorError):
    """CloudFormation did not bring a stack to its template; the message has the events that say why."""


class Stacks:
    """The stacks of a rebuild.

    Args:
        clients: returns the botocore client of a service.
        assembly: what is deployed.
        sleep: waits for some seconds.
        endpoint: of the cloud; empty for AWS. Templates are read from there.
        as_role: whether CloudFormation uses the role of the CDK's bootstrap, as `cdk deploy` has it do.
        poll_seconds: time between two readings of a stack's status.
    """

    def __init__(
        self,
        clients: Callable[[str], Any],
        assembly: Assembly,
        sleep: Callable[[float], None],
        *,
        endpoint: str = "",
        as_role: bool = True,
        poll_seconds: float = _POLL_SECONDS,
    ) -> None:
        self._clients, self._assembly, self._sleep = clients, assembly, sleep
        self._endpoint, self._as_role, self._poll_seconds = endpoint.rstrip("/"), as_role, poll_seconds
        self._client = clients("cloudformation")

    def rebuild(self, stack: PlannedStack) -> str:
        """Bring a stack to the assembly's template; return what was done, one sentence.

        Raises:
            StackNotRebuilt: CloudFormation rolled it back, or did not end in time.
        """
        name, done = stack.name, []
        status = self._settled(name)
        if status in _NEVER_COMPLETE:
            with translate_errors():
                self._client.delete_stack(StackName=name)
            status = self._settled(name, empty=True)
        if not status:
            self._assembly.publish(name, self._clients)
            if stack.imports:
                done.append(self._import(stack))
            else:
                start_operation(self._client, "create_stack", self._request(name))
                done.append("created")
            status = self._expect(name, {"IMPORT_COMPLETE", "CREATE_COMPLETE"})
        if status not in _CAN_BE_UPDATED:
            self._fail(name, status)
        if not (status in COMPLETE and self._has_template(name)):
            self._assembly.publish(name, self._clients)
            if start_operation(self._client, "update_stack", self._request(name)):
                self._expect(name, {"UPDATE_COMPLETE"})
            done.append("updated to its template")
        self._protect(name)
        return ", ".join(done) or "was there already"

    def output(self, name: str, key: str) -> str:
        """Return an output of a stack; empty if it has none of that name."""
        with translate_errors():
            described = self._client.describe_stacks(StackName=name)["Stacks"][0]
        return next((str(one["OutputValue"]) for one in described.get("Outputs", ()) if one["OutputKey"] == key), "")

    def set_policy(self, name: str, policy: str) -> None:
        """Set a stack's policy, which is no part of its template."""
        with translate_errors():
            self._client.set_stack_policy(StackName=name, StackPolicyBody=policy)

    def _import(self, stack: PlannedStack) -> str:
        imported = [one.logical_id for one in stack.imports]
        restored = [one.logical_id for one in stack.imports if one.restored]
        template = import_template(self._assembly.template(stack.name), imported, restored)
        resources = [
            {
                "ResourceType": one.resource_type,
                "LogicalResourceId": one.logical_id,
                "ResourceIdentifier": {IDENTIFIERS[one.resource_type]: one.identifier},
            }
            for one in stack.imports
        ]
        change_set = {"StackName": stack.name, "ChangeSetName": _CHANGE_SET}
        with translate_errors():
            self._client.create_change_set(
                **change_set,
                ChangeSetType="IMPORT",
                ResourcesToImport=resources,
                Capabilities=list(CAPABILITIES),
                **self._body(stack.name, template),
                **self._role(stack.name),
            )
        described = self._await_change_set(change_set)
        if described["ExecutionStatus"] != "AVAILABLE":
            reason = described.get("StatusReason") or described["Status"]
            raise StackNotRebuilt(f"{stack.name}: its resources cannot be imported: {reason}")
        with translate_errors():
            self._client.execute_change_set(**change_set)
        return f"{len(imported)} resources imported"

    def _await_change_set(self, change_set: Mapping[str, str]) -> Mapping[str, Any]:
        waited = 0.0
        while True:
            with translate_errors():
                described: Mapping[str, Any] = self._client.describe_change_set(**change_set)
            if described["Status"] not in {"CREATE_PENDING", "CREATE_IN_PROGRESS"}:
                return described
            waited = self._wait(change_set["StackName"], described["Status"], waited)

    def _body(self, name: str, template: Mapping[str, Any]) -> Mapping[str, str]:
        text = json.dumps(template, separators=(",", ":"), allow_nan=False)
        if len(text.encode()) <= _LARGEST_BODY:
            return {"TemplateBody": text}
        bucket, _, key = self._assembly.template_location(name).partition("/")
        key = f"{key}.import"
        with translate_errors():
            self._clients("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())
        return {"TemplateURL": self._url(f"{bucket}/{key}")}

    def _request(self, name: str) -> dict[str, Any]:
        url = self._url(self._assembly.template_location(name))
        return {**stack_request(self._assembly, name, url), **self._role(name)}

    def _url(self, location: str) -> str:
        if self._endpoint:
            return f"{self._endpoint}/{location}"
        bucket, _, key = location.partition("/")
        return f"https://{bucket}.s3.amazonaws.com/{key}"

    def _role(self, name: str) -> Mapping[str, str]:
        role = self._assembly.properties(name).get("cloudFormationExecutionRoleArn")
        return {"RoleARN": self._assembly.resolved(str(role))} if role and self._as_role else {}

    def _has_template(self, name: str) -> bool:
        with translate_errors():
            deployed = self._client.get_template(StackName=name)["TemplateBody"]
        return bool((json.loads(deployed) if isinstance(deployed, str) else deployed) == self._assembly.template(name))

    def _protect(self, name: str) -> None:
        with translate_errors():
            self._client.update_termination_protection(
                StackName=name,
                EnableTerminationProtection=bool(self._assembly.properties(name).get("terminationProtection")),
            )

    def _expect(self, name: str, statuses: set[str]) -> str:
        status = self._settled(name)
        if status not in statuses:
            self._fail(name, status)
        return status

    def _settled(self, name: str, *, empty: bool = False) -> str:
        """Wait until nothing of a stack is in progress, or with `empty` until it does not exist; return its status."""
        waited = 0.0
        while True:
            status = stack_status(self._client, name)
            in_progress = status.endswith("_IN_PROGRESS") and (empty or status != _NOTHING_EXECUTED)
            if not in_progress:
                return status
            waited = self._wait(name, status, waited)

    def _wait(self, name: str, status: str, waited: float) -> float:
        if waited > _LONGEST_SECONDS:
            raise StackNotRebuilt(f"{name} is still in {status} after {_LONGEST_SECONDS:g} s: repeat the command")
        self._sleep(self._poll_seconds)
        return waited + self._poll_seconds

    def _fail(self, name: str, status: str) -> NoReturn:
        reasons = "; ".join(failures_of(self._client, name)[:_REASONS]) or "its events have no reason"
        raise StackNotRebuilt(f"{name} is in {status}: {reasons}. {_REMEDIES.get(status, _REMEDY)}")
