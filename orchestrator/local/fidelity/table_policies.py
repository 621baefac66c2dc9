"""DynamoDB: what a table's resource policy denies is denied, and the policy goes with its table.

AWS:

- A resource policy's explicit Deny stops whoever it names, whatever their own policies allow, with AccessDeniedException; each item of
  a transaction, each table of a batch and each PartiQL statement is judged by itself.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/access-control-resource-based.html
- What was put takes effect a moment later: one has to look until it does.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutResourcePolicy.html
- The policy is deleted with its table, and a restored table has none.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/rbac-delete-policy.html

Here a Deny holds whether or not principals are held to their policies, so that a table can be closed on every local cloud. Under the profile
`aws-timing` it takes effect between `SHORTEST_SECONDS` and `LONGEST_SECONDS` after it was put; otherwise at once. Requests that a state machine makes without a
function are not judged. What such a policy allows nobody needs here: the account is one.

MiniStack stores the policies, never looks at them, and gives them to the next table of the same name.
"""

from __future__ import annotations

import importlib
import json
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

PINNED = {
    "ministack.services.dynamodb.handle_request": "1201f2ac993ce1a07339816d280e7b86da8395988b41f91ce72caade86e12406",
    "ministack.services.dynamodb._put_resource_policy": "5b3fefd5ff240f899e26d8dde9ab40470ebfe87b7720d0f4db19a827a2e3d400",
    "ministack.services.dynamodb._delete_table": "c1dc27be8166e3b010c8d7e820c5e762251f540f0afa49a6fd50f4d7eb71034a",
    "ministack.services.dynamodb._normalize_table_name": "904f676618e44f7bc9eb72ff535b8403d24ee2d02beb34fa804c25510dd44c30",
    "ministack.services.dynamodb._parse_partiql": "34f90fe3b74ee60c7c6e876510ff52e3ab67047b8dd5560db0d47211b71068ff",
    "ministack.core.iam_actions.dynamodb_resource_arns": "a7186900d54a313c3f28de72185cba2e134551562c9d23f88e070633d48e25c0",
    "ministack.core.iam_actions.dynamodb_transaction_checks": "684e748338e8727f8cf3ae2bc8a4ec5d347c91ecbf80d1469e8da21967f0f21e",
    "ministack.core.iam_actions.access_denied_response": "3cc2e315f91f45daeb6160cb1c8250291fde007fa3e721acf72c8159838589a8",
    "ministack.core.iam_evaluator.evaluate_resource_policy": "e49ce7161ad63e35672a960067131789e35087bb35ff5fef944372c0f76bc2e7",
    "ministack.core.iam_evaluator.EvalContext": "f5769904b3fa1d4eb6bb6bdad08ae5284a1af071144fd4d95547deec9cd320db",
    "ministack.core.iam_evaluator.request_caller_arn": "12240eb881e7e316b2fb679ee9be267fe96726dfcbb2a6d23e64a9663d820df5",
}

SHORTEST_SECONDS: Final = 0.2
LONGEST_SECONDS: Final = 1.5
_MODULE: Final = "ministack.services.dynamodb"
_POLICY_ACTIONS: Final = frozenset({"PutResourcePolicy", "GetResourcePolicy", "DeleteResourcePolicy"})
"""They name their table by ``ResourceArn``, and whoever closed a table can open it again."""
_OF_STATEMENTS: Final = frozenset(
    f"dynamodb:{operation}" for operation in ("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction")
)

Json = dict[str, Any]
Handler = Callable[[str, str, Mapping[str, str], bytes, Mapping[str, Any]], Awaitable[Any]]


def install(options: Options) -> None:
    """Put the mend in place, in this process."""
    dynamodb = importlib.import_module(_MODULE)
    policies = _Policies(dynamodb, options)
    wrap(dynamodb, "handle_request", policies.handling)
    wrap(dynamodb, "_put_resource_policy", policies.putting)
    wrap(dynamodb, "_delete_table", policies.deleting)


class _Policies:
    """What takes the place of MiniStack's functions."""

    def __init__(self, dynamodb: Any, options: Options) -> None:
        self._dynamodb = dynamodb
        self._late = options.profile == "aws-timing"
        self._draw = random.Random(options.seed).uniform  # noqa: S311 - a delay, not a secret
        self._actions: Any = importlib.import_module("ministack.core.iam_actions")
        self._evaluator: Any = importlib.import_module("ministack.core.iam_evaluator")

    def putting(self, original: Callable[[Json], Any]) -> Callable[[Json], Any]:
        def put_resource_policy(data: Json) -> Any:
            answered = original(data)
            if answered[0] == HTTPStatus.OK:
                record = self._dynamodb._resource_policies[data["ResourceArn"]]
                record["_since"] = time.monotonic() + (
                    self._draw(SHORTEST_SECONDS, LONGEST_SECONDS) if self._late else 0
                )
            return answered

        return put_resource_policy

    def deleting(self, original: Callable[[Json], Any]) -> Callable[[Json], Any]:
        def delete_table(data: Json) -> Any:
            table = self._dynamodb._tables.get(self._dynamodb._normalize_table_name(data.get("TableName")))
            answered = original(data)
            if answered[0] == HTTPStatus.OK and table:
                self._dynamodb._resource_policies.pop(table["TableArn"], None)
            return answered

        return delete_table

    def handling(self, original: Handler) -> Handler:
        async def handle_request(
            method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any]
        ) -> Any:
            refusal = self._refusal(headers, body, query_params) if self._dynamodb._resource_policies else None
            return refusal or await original(method, path, headers, body, query_params)

        return handle_request

    def _refusal(self, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any]) -> Any:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if operation in _POLICY_ACTIONS:
            return None
        caller = self._evaluator.request_caller_arn(headers, query_params)
        for action, arn in self._asked(f"dynamodb:{operation}", body):
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
                status, answered_headers, answer = denied
                return status, {**answered_headers, "x-amzn-errortype": "AccessDeniedException"}, answer
        return None

    def _asked(self, action: str, body: bytes) -> Iterator[tuple[str, str]]:
        """Every action on a table that a request asks for."""
        place = (self._dynamodb.get_region(), self._dynamodb.get_account_id())
        checks = self._actions.dynamodb_transaction_checks(action, body, *place)
        yield from checks or ((action, arn) for arn in self._actions.dynamodb_resource_arns(body, *place))
        if action in _OF_STATEMENTS:
            yield from self._statements(body)

    def _statements(self, body: bytes) -> Iterator[tuple[str, str]]:
        request = json.loads(body)
        for one in [request, *(request.get("Statements") or request.get("TransactStatements") or [])]:
            if not (text := one.get("Statement")):
                continue
            try:
                parsed = self._dynamodb._parse_partiql(text, one.get("Parameters") or [])
            except Exception:  # noqa: BLE001, S112 - MiniStack refuses it in its own words
                continue
            arn = f"arn:aws:dynamodb:{self._dynamodb.get_region()}:{self._dynamodb.get_account_id()}:table/{parsed['table']}"
            yield f"dynamodb:PartiQL{parsed['op'].capitalize()}", arn

    def _denies(self, caller: str, action: str, arn: str) -> bool:
        record = self._dynamodb._resource_policies.get(_table(arn))
        if record is None or record.get("_since", 0) > time.monotonic():
            return False
        context = self._evaluator.EvalContext(
            principal_arn=caller,
            principal_type="AssumedRole" if ":assumed-role/" in caller else "User",
            principal_account=self._dynamodb.get_account_id(),
            action=action,
            resource_arn=arn,
            region=self._dynamodb.get_region(),
        )
        found = self._evaluator.evaluate_resource_policy(json.loads(record["Policy"]), context)
        return bool(found.decision == "Deny")


def _table(arn: str) -> str:
    """Return the ARN of the table that an index belongs to."""
    return arn.partition("/index/")[0]
