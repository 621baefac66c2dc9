"""DynamoDB as a fleet of hosts, in simulated time: each applies a table's resource policy at a time of its own.

Items are kept by `Tables`, hosts are those of the local cloud. Writes that are made over a connection come into the table's stream, after
a while, in several shards that answer with empty pages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from itertools import count
from random import Random
from types import SimpleNamespace
from typing import Any
from zlib import crc32

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code
from orchestrator.aws.dynamodb.raw_client import DynamoDBError
from orchestrator.domain.deployment.cutover import is_blocked
from orchestrator.local.emulator.dynamodb.resource_policies import PolicyHosts
from tests.fakes.errors import client_error
from tests.fakes.tables import Tables

SHARDS = 3
PAGE = 50
STREAM_DELAY_SECONDS = 4.0
"""How late a record is in its stream, at most, unless a test says something else."""
ACTIONS = {
    "get_item": ("GetItem",),
    "put_item": ("PutItem",),
    "update_item": ("UpdateItem",),
    "delete_item": ("DeleteItem",),
    "batch_get_item": ("BatchGetItem",),
    "batch_write_item": ("BatchWriteItem",),
    "scan": ("Scan",),
}


def arn_of(table: str) -> str:
    """The ARN of a table."""
    return f"arn:aws:dynamodb:us-west-1:123456789012:table/{table}"


class HostedTables:
    """Tables with resource policies and streams.

    Args:
        names: the tables.
        now: the clock.
        random: draws hosts and delays.
        policy_seconds: the longest time until a host applies a policy.
        prefix: of the tables in the evaluator.
    """

    def __init__(
        self, names: tuple[str, ...], now: Callable[[], datetime], random: Random, policy_seconds: float, prefix: str
    ) -> None:
        self._now, self._random = now, random
        self.tables = Tables(*names, prefix=prefix)
        self.hosts = PolicyHosts(8, policy_seconds, random.randrange(2**32), lambda: now().timestamp())
        self.policies: dict[str, tuple[str, int]] = {}
        """ARN to (policy, revision), as it is kept."""
        self.blocked: list[tuple[str, bool]] = []
        """(ARN, whether it blocks the table) of each policy that was written or deleted, in order."""
        self._revisions, self._numbers = count(1), count(1)
        self.stream_seconds = STREAM_DELAY_SECONDS
        self.streams: dict[str, list[tuple[float, dict[str, Any]]]] = {}
        """``table/shard`` to (when it can be read, record)."""
        self.began = now() - timedelta(seconds=10)
        self.unstreamed: set[str] = set()
        """Tables without a stream."""
        self.read_units = 12_000
        """Of every table."""
        self._items: dict[tuple[str, str], dict[str, Any] | None] = {}

    # --- connections -----------------------------------------------------------------------------------------

    def connection(self, role: str) -> Connection:
        """A connection of a caller to one host."""
        return Connection(self, self._random.randrange(2**32), role)

    def denies(self, table: str, action: str, connection: int, role: str) -> bool:
        """Whether the host of a connection denies a caller an action."""
        applied = self.hosts.applied(arn_of(table), connection)
        for statement in json.loads(applied["Policy"])["Statement"] if applied else ():
            exempt = statement.get("Condition", {}).get("ArnNotEquals", {}).get("aws:PrincipalArn")
            if role != exempt and any(fnmatchcase(f"dynamodb:{action}", one) for one in statement["Action"]):
                return bool(statement["Effect"] == "Deny")
        return False

    def write(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Make a write of one item, and put what it changed into the stream."""
        table, key = params["TableName"], {"pk": (params.get("Key") or params.get("Item"))["pk"]}  # type: ignore[index]
        before = self._items.get((table, key["pk"]["S"]))
        returned = {"ReturnValues": "ALL_NEW"} if operation == "update_item" else {}
        answer: dict[str, Any] = getattr(self.tables, operation)(**params, **returned)
        after = answer.pop("Attributes", None) or params.get("Item")
        self._items[table, key["pk"]["S"]] = after
        if before != after:
            self._record(table, key, before, after)
        return answer

    def put(self, table: str, item: dict[str, Any]) -> None:
        """Have a table hold an item; its stream does not say so."""
        self.tables.put_item(TableName=table, Item=item)
        self._items[table, item["pk"]["S"]] = item

    def _record(self, table: str, key: dict[str, Any], before: Any, after: Any) -> None:
        shard = self.streams.setdefault(f"{table}/{crc32(key['pk']['S'].encode()) % SHARDS}", [])
        earliest = shard[-1][0] if shard else 0.0
        readable = max(earliest, self._now().timestamp() + self._random.uniform(0, self.stream_seconds))
        images = {"Keys": key, "OldImage": before, "NewImage": after}
        record = {
            "ApproximateCreationDateTime": int(self._now().timestamp()),
            "SequenceNumber": str(next(self._numbers)),
            **{name: image for name, image in images.items() if image},
        }
        shard.append((readable, {"dynamodb": record}))

    # --- policies --------------------------------------------------------------------------------------------

    def get_resource_policy(self, *, ResourceArn: str) -> dict[str, str]:  # noqa: N803 - botocore's
        shown = self.hosts.shown(ResourceArn)
        if shown is None:
            raise client_error("PolicyNotFoundException", "no policy")
        return {"Policy": shown["Policy"], "RevisionId": shown["RevisionId"]}

    def put_resource_policy(self, *, ResourceArn: str, Policy: str, ExpectedRevisionId: str) -> dict[str, str]:  # noqa: N803
        self._expect(ResourceArn, ExpectedRevisionId)
        self._change(ResourceArn, (Policy, next(self._revisions)))
        return {"RevisionId": str(self.policies[ResourceArn][1])}

    def delete_resource_policy(self, *, ResourceArn: str, ExpectedRevisionId: str | None = None) -> dict[str, str]:  # noqa: N803
        if ExpectedRevisionId is not None:
            self._expect(ResourceArn, ExpectedRevisionId)
        self._change(ResourceArn, None)
        return {}

    def _expect(self, arn: str, revision: str) -> None:
        if revision != (str(self.policies[arn][1]) if arn in self.policies else "NO_POLICY"):
            raise client_error("PolicyNotFoundException", "another revision")

    def _change(self, arn: str, policy: tuple[str, int] | None) -> None:
        before = self.policies.pop(arn, None)
        self.blocked.append((arn, policy is not None and is_blocked(json.loads(policy[0]))))
        if policy is not None:
            self.policies[arn] = policy
        self.hosts.change(arn, _shape(before), _shape(policy))

    # --- streams ---------------------------------------------------------------------------------------------

    def describe(self, table: str) -> Any:
        """What a reader of tables says of one."""
        return SimpleNamespace(
            stream="" if table in self.unstreamed else f"{arn_of(table)}/stream/1",
            stream_since=self.began,
            names=("pk",),
            ttl_attribute="",
            read_units=self.read_units,
        )

    def describe_stream(self, *, StreamArn: str) -> Any:  # noqa: N803
        table = StreamArn.split("/")[1]
        return {"StreamDescription": {"Shards": [{"ShardId": f"{table}/{number}"} for number in range(SHARDS)]}}

    def get_shard_iterator(self, **params: str) -> Any:
        shard, position = params["ShardId"], params.get("SequenceNumber")
        assert shard.split("/", maxsplit=1)[0] == params["StreamArn"].split("/")[1]
        if params["ShardIteratorType"] == "LATEST":
            return {"ShardIterator": f"{shard}@{len(self.streams.get(shard, ()))}"}
        assert params["ShardIteratorType"] == ("AFTER_SEQUENCE_NUMBER" if position else "TRIM_HORIZON")
        numbers = [int(record["dynamodb"]["SequenceNumber"]) for _, record in self.streams.get(shard, ())]
        return {"ShardIterator": f"{shard}@{numbers.index(int(position)) + 1 if position else 0}"}

    def records(self, iterator: str) -> dict[str, Any]:
        """One page of a shard; every third one is empty."""
        shard, _, place = iterator.partition("@")
        now, begin = self._now().timestamp(), int(place)
        end = begin if self._random.random() < 1 / 3 else begin + PAGE
        page = [record for readable, record in self.streams.get(shard, ())[begin:end] if readable <= now]
        return {"Records": page, "NextShardIterator": f"{shard}@{begin + len(page)}"}

    def wire(self, role: str) -> Callable[[str], Connection]:
        """Open connections for a caller, as `Cloud.wires` does."""
        return lambda _service: self.connection(role)


class Connection:
    """A connection to one host, until it is closed: the next one may reach another host. It is a client and a wire."""

    def __init__(self, hosted: HostedTables, host: int, role: str) -> None:
        self._hosted, self._host, self._role = hosted, host, role

    def close(self) -> None:
        """The next request opens a new connection."""
        self._host = self._hosted._random.randrange(2**32)

    def call(self, operation: str, params: Mapping[str, Any], decode: Callable[[bytes], Any]) -> Any:
        """Answer as a wire does."""
        if operation == "GetRecords":
            return decode(json.dumps(self._hosted.records(params["ShardIterator"])).encode())
        name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).lstrip("_")
        try:
            return decode(json.dumps(getattr(self, name)(**params)).encode())
        except ClientError as error:
            raise DynamoDBError(error_code(error)) from error

    def __getattr__(self, operation: str) -> Any:
        if operation not in ACTIONS:
            raise AttributeError(operation)

        def call(**params: Any) -> dict[str, Any]:
            for table in params.get("RequestItems") or [params["TableName"]]:
                for action in ACTIONS[operation]:
                    if self._hosted.denies(table, action, self._host, self._role):
                        raise client_error("AccessDeniedException", "with an explicit deny in a resource-based policy")
            if operation in {"put_item", "update_item", "delete_item"}:
                return self._hosted.write(operation, params)
            answer: dict[str, Any] = getattr(self._hosted.tables, operation)(**params)
            return answer

        return call


def _shape(policy: tuple[str, int] | None) -> dict[str, str] | None:
    return {"Policy": policy[0], "RevisionId": str(policy[1])} if policy else None
