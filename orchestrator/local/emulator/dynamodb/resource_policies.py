"""DynamoDB: a table's resource policy is enforced host by host, and deleted with its table.

AWS:

- An explicit Deny in a resource policy rejects the named principals with AccessDeniedException, whatever their own
  policies allow. Each item of a transaction, each table of a batch and each PartiQL statement is authorized separately.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/access-control-resource-based.html
- A policy is eventually consistent: a new one, or the deletion of one, takes time to apply to all requests.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutResourcePolicy.html
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteResourcePolicy.html
- After a change, GetResourcePolicy may return the previous policy or PolicyNotFoundException for a while.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetResourcePolicy.html
- The policy is deleted with its table. A restored table has none.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/rbac-delete-policy.html

Here a Deny is enforced whether or not IAM policies are, so that access to a table can be blocked on every local
cloud. There are `policy_hosts` hosts. Each applies a change after a delay of its own, at most `policy_seconds`. A
connection stays with one host, and GetResourcePolicy has a delay of its own. ExpectedRevisionId is compared with the
newest policy at once. Requests that a state machine makes without a function are not checked. Allow statements are
ignored: the local cloud has one account, which needs none.

Stock MiniStack stores the policies, never evaluates them, and applies them to the next table of the same name.
"""

from __future__ import annotations

import importlib
import json
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.dynamodb.handle_request": "1201f2ac993ce1a0",
    "ministack.app.app": "ab1297bd6cd59811",
    "ministack.services.dynamodb._put_resource_policy": "5b3fefd5ff240f89",
    "ministack.services.dynamodb._get_resource_policy": "a327624bef8e568f",
    "ministack.services.dynamodb._delete_resource_policy": "99079547dbec128e",
    "ministack.services.dynamodb._delete_table": "c1dc27be8166e3b0",
    "ministack.services.dynamodb._normalize_table_name": "904f676618e44f7b",
    "ministack.services.dynamodb._parse_partiql": "34f90fe3b74ee60c",
    "ministack.core.iam_actions.dynamodb_resource_arns": "a7186900d54a313c",
    "ministack.core.iam_actions.dynamodb_transaction_checks": "684e748338e8727f",
    "ministack.core.iam_actions.access_denied_response": "3cc2e315f91f45da",
    "ministack.core.iam_evaluator.evaluate_resource_policy": "e49ce7161ad63e35",
    "ministack.core.iam_evaluator.EvalContext": "f5769904b3fa1d4e",
    "ministack.core.iam_evaluator.request_caller_arn": "12240eb881e7e316",
}

LONGEST_SECONDS: Final = {"instant": 0.3, "aws-timing": 6.0}
"""The longest time until a host applies a changed policy, by profile."""

_MODULE: Final = "ministack.services.dynamodb"
_POLICY_ACTIONS: Final = frozenset({"PutResourcePolicy", "GetResourcePolicy", "DeleteResourcePolicy"})
"""These name their table by ``ResourceArn``. The principal that blocked a table can unblock it."""
_STATEMENT_ACTIONS: Final = frozenset(
    f"dynamodb:{operation}" for operation in ("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction")
)

Json = dict[str, Any]
Handler = Callable[[str, str, Mapping[str, str], bytes, Mapping[str, Any]], Awaitable[Any]]


def install(options: Options) -> None:
    """Install the patch in this process."""
    dynamodb = importlib.import_module(_MODULE)
    policies = _Policies(dynamodb, options)
    wrap(dynamodb, "handle_request", policies.handling)
    wrap(importlib.import_module("ministack.app"), "app", noting_connection)
    wrap(dynamodb, "_put_resource_policy", policies.changing)
    wrap(dynamodb, "_delete_resource_policy", policies.changing)
    wrap(dynamodb, "_get_resource_policy", policies.getting)
    wrap(dynamodb, "_delete_table", policies.deleting)


_connection: ContextVar[object] = ContextVar("connection", default=None)
"""The address and port from which the current request was sent."""


def noting_connection(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Replace MiniStack's application by one that remembers over which connection a request came."""

    async def app(scope: Mapping[str, Any], receive: Any, send: Any) -> Any:
        _connection.set(tuple(scope.get("client") or ()))
        return await original(scope, receive, send)

    return app


@dataclass(frozen=True)
class _PolicyVersion:
    """A policy of a table, or its absence, and from when on it counts. Times are those of `time.monotonic`.

    policy: the record that MiniStack keeps; None after a deletion. applied_at: by host. shown_at: to GetResourcePolicy.
    """

    policy: Json | None
    applied_at: Sequence[float]
    shown_at: float


class PolicyHosts:
    """The hosts, and the policies of tables as each of them sees them.

    Args:
        hosts: number of hosts.
        longest_seconds: the longest time until a host applies a change.
        seed: makes the delays repeatable.
        now: the clock.
    """

    def __init__(
        self, hosts: int, longest_seconds: float, seed: int | None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._hosts, self._longest, self._now = hosts, longest_seconds, now
        self._draw = random.Random(seed).uniform  # noqa: S311 - a delay, not a secret
        self._versions: dict[str, list[_PolicyVersion]] = {}

    def change(self, arn: str, before: Json | None, policy: Json | None) -> None:
        """Give a table a policy, or none. before: the one that it had."""
        now = self._now()
        first = _PolicyVersion(before, [0.0] * self._hosts, 0.0)
        known = list(self._versions.get(arn, [first]))
        # What every host has seen replaced is not read again.
        while len(known) > 1 and max(*known[1].applied_at, known[1].shown_at) <= now:
            known.pop(0)
        delays = [now + self._draw(0, self._longest) for _ in range(self._hosts)]
        self._versions[arn] = [*known, _PolicyVersion(policy, delays, now + self._draw(0, self._longest))]

    def __bool__(self) -> bool:
        """Whether a policy was ever put."""
        return bool(self._versions)

    def forget(self, arn: str) -> None:
        """Forget the policies of a table that was deleted."""
        self._versions.pop(arn, None)

    def applied(self, arn: str, connection: object) -> Json | None:
        """Return the policy that the host of a connection applies to a table."""
        host = hash(connection) % self._hosts
        return self._newest(arn, lambda version: version.applied_at[host])

    def shown(self, arn: str) -> Json | None:
        """Return the policy that GetResourcePolicy returns."""
        return self._newest(arn, lambda version: version.shown_at)

    def _newest(self, arn: str, since: Callable[[_PolicyVersion], float]) -> Json | None:
        now = self._now()
        counting = [version for version in self._versions.get(arn, ()) if since(version) <= now]
        return counting[-1].policy if counting else None


class _Policies:
    """Replacements of MiniStack's functions."""

    def __init__(self, dynamodb: Any, options: Options) -> None:
        self._dynamodb = dynamodb
        longest = LONGEST_SECONDS[options.profile] if options.policy_seconds is None else options.policy_seconds
        self._hosts = PolicyHosts(options.policy_hosts, longest, options.seed)
        self._actions: Any = importlib.import_module("ministack.core.iam_actions")
        self._evaluator: Any = importlib.import_module("ministack.core.iam_evaluator")

    def changing(self, original: Callable[[Json], Any]) -> Callable[[Json], Any]:
        def change_resource_policy(data: Json) -> Any:
            arn = str(data.get("ResourceArn"))
            before = self._dynamodb._resource_policies.get(arn)
            response = original(data)
            if response[0] == HTTPStatus.OK:
                self._hosts.change(arn, before, self._dynamodb._resource_policies.get(arn))
            return response

        return change_resource_policy

    def getting(self, original: Callable[[Json], Any]) -> Callable[[Json], Any]:
        def get_resource_policy(data: Json) -> Any:
            arn, policies = str(data.get("ResourceArn")), self._dynamodb._resource_policies
            newest, shown = policies.get(arn), self._hosts.shown(arn)
            # MiniStack answers from what it keeps, so that is exchanged for the time of the answer. Nothing is awaited.
            self._keep(arn, shown)
            try:
                return original(data)
            finally:
                self._keep(arn, newest)

        return get_resource_policy

    def _keep(self, arn: str, policy: Json | None) -> None:
        if policy is None:
            self._dynamodb._resource_policies.pop(arn, None)
        else:
            self._dynamodb._resource_policies[arn] = policy

    def deleting(self, original: Callable[[Json], Any]) -> Callable[[Json], Any]:
        def delete_table(data: Json) -> Any:
            table = self._dynamodb._tables.get(self._dynamodb._normalize_table_name(data.get("TableName")))
            response = original(data)
            if response[0] == HTTPStatus.OK and table:
                self._dynamodb._resource_policies.pop(table["TableArn"], None)
                self._hosts.forget(table["TableArn"])
            return response

        return delete_table

    def handling(self, original: Handler) -> Handler:
        async def handle_request(
            method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any]
        ) -> Any:
            refusal = self._refusal(headers, body, query_params) if self._hosts else None
            return refusal or await original(method, path, headers, body, query_params)

        return handle_request

    def _refusal(self, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any]) -> Any:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if operation in _POLICY_ACTIONS:
            return None
        caller = self._evaluator.request_caller_arn(headers, query_params)
        for action, arn in self._requested_actions(f"dynamodb:{operation}", body):
            if self._denies(caller, action, arn):
                denied = self._actions.access_denied_response(
                    "dynamodb",
                    action,
                    caller,
                    "",
                    resource_arn=arn,
                    explicit_deny=True,
                    resource_policy_arn=_table(arn),
                )
                status, response_headers, response_body = denied
                return status, {**response_headers, "x-amzn-errortype": "AccessDeniedException"}, response_body
        return None

    def _requested_actions(self, action: str, body: bytes) -> Iterator[tuple[str, str]]:
        """Yield every action on a table that a request performs, with the ARN."""
        place = (self._dynamodb.get_region(), self._dynamodb.get_account_id())
        checks = self._actions.dynamodb_transaction_checks(action, body, *place)
        yield from checks or ((action, arn) for arn in self._actions.dynamodb_resource_arns(body, *place))
        if action in _STATEMENT_ACTIONS:
            yield from self._statements(body)

    def _statements(self, body: bytes) -> Iterator[tuple[str, str]]:
        request = json.loads(body)
        for statement in [request, *(request.get("Statements") or request.get("TransactStatements") or [])]:
            if not (text := statement.get("Statement")):
                continue
            try:
                parsed = self._dynamodb._parse_partiql(text, statement.get("Parameters") or [])
            except Exception:  # noqa: BLE001, S112 - MiniStack itself rejects the statement
                continue
            region, account = self._dynamodb.get_region(), self._dynamodb.get_account_id()
            arn = f"arn:aws:dynamodb:{region}:{account}:table/{parsed['table']}"
            yield f"dynamodb:PartiQL{parsed['op'].capitalize()}", arn

    def _denies(self, caller: str, action: str, arn: str) -> bool:
        record = self._hosts.applied(_table(arn), _connection.get())
        if record is None:
            return False
        context = self._evaluator.EvalContext(
            principal_arn=caller,
            principal_type="AssumedRole" if ":assumed-role/" in caller else "User",
            principal_account=self._dynamodb.get_account_id(),
            action=action,
            resource_arn=arn,
            region=self._dynamodb.get_region(),
        )
        result = self._evaluator.evaluate_resource_policy(json.loads(record["Policy"]), context)
        return bool(result.decision == "Deny")


def _table(arn: str) -> str:
    """Return the ARN of the table of an index."""
    return arn.partition("/index/")[0]
