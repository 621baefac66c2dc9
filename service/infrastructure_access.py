"""What each function of the service may do: one table, and the policy statements it becomes.

Nothing else grants a function anything. Table rights are fenced by the partition keys that the function has business with
(`service/items.py`): a bug in one function cannot read or write the other's items.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from environments import Environment
from stack_parts import may_use_through, name_of


@dataclass(frozen=True)
class Resources:
    """The stack's tables and keys. `data_key` is None where AWS's own key encrypts the tables.

    ring_keys: the ARN of every signing key there will ever be, of which `SIGNING_KEY_TAG` says the environment's.
    """

    state: dynamodb.ITable
    tokens: dynamodb.ITable
    data_key: kms.IKey | None
    ring: dynamodb.ITable
    revocations: dynamodb.ITable
    signing_key: kms.IKey
    ring_keys: str
    session_key: kms.IKey
    synthetic_key: kms.IKey


@dataclass(frozen=True)
class Access:
    """Rights of one function: actions by table with the keys they are fenced to, and actions by KMS key.

    revocations: on the log of revocations, which nobody in the service reads.
    signing: on the stack's own signing key, and on those that the orchestrator makes; whoever has such a right reads the ring.
    """

    state: tuple[str, ...]
    state_keys: tuple[str, ...]
    tokens: tuple[str, ...]
    tokens_keys: tuple[str, ...]
    revocations: tuple[str, ...] = ()
    signing: tuple[str, ...] = ()
    session: tuple[str, ...] = ()
    synthetic: tuple[str, ...] = ()


ACCESS = {
    "authorize": Access(
        state=("GetItem", "PutItem", "UpdateItem"),
        state_keys=("login#*", "code#*", "synthetic#*", "client#*"),
        tokens=("GetItem",),
        tokens_keys=("epoch", "client#*"),
        session=("Encrypt", "Decrypt"),
        synthetic=("VerifyMac",),
    ),
    "token": Access(
        state=("BatchGetItem", "UpdateItem"),
        state_keys=("code#*", "synthetic#*"),
        tokens=("GetItem", "BatchGetItem", "PutItem", "UpdateItem"),
        tokens_keys=("family#*", "epoch", "synthetic#*", "client#*"),
        revocations=("PutItem",),
        signing=("Sign", "GetPublicKey"),
    ),
    "public": Access(
        state=("GetItem",),
        state_keys=("health",),
        tokens=("GetItem", "BatchGetItem"),
        tokens_keys=("family#*", "epoch", "synthetic#*", "client#*"),
        signing=("GetPublicKey",),
        session=("Decrypt",),
    ),
}

SIGNING_KEY_TAG = "ib-oauth:signing-key"
"""On every signing key, with the name of its environment."""

RESTORED_REASON = "restored tables are named by the restore that made them"
RING_KEYS_REASON = "signing keys are made by rotation; the tag says whose they are"

REVOCATIONS_KEYS = ("revoked#*", "disowned#*", "synthetic#*")

_READS = frozenset({"GetItem", "BatchGetItem"})


def restored_tables(scope: Construct, role: str, environment: Environment) -> str:
    """Return the ARN of every table that a restore may make the service use as its `state` or `tokens`: never a drill's."""
    return _arn(scope, name_of(f"restored-*-{role}", environment))


def _tables(scope: Construct, role: str, live: str, environment: Environment) -> tuple[str, ...]:
    """Return the ARNs of what may take the live table's place: the copies of restores, and the stack's own when going back."""
    own = name_of(role, environment)
    back = () if live == own else (_arn(scope, own),)
    return (restored_tables(scope, role, environment), *back)


def _arn(scope: Construct, table: str) -> str:
    return Stack.of(scope).format_arn(service="dynamodb", resource="table", resource_name=table)


def statements_of(
    scope: Construct, name: str, environment: Environment, resources: Resources
) -> list[iam.PolicyStatement]:
    """Return what a function's role may do beside logging and tracing."""
    access, service = ACCESS[name], environment.service
    of_environment = {"StringEquals": {"kms:EncryptionContext:environment": environment.name}}
    keys = (
        ("SigningKey", access.signing, resources.signing_key, None),
        ("SessionKey", access.session, resources.session_key, of_environment),
        ("SyntheticKey", access.synthetic, resources.synthetic_key, None),
    )
    return [
        _on_table(
            "StateTable",
            access.state,
            resources.state,
            access.state_keys,
            _tables(scope, "state", service.state_table, environment),
        ),
        _on_table(
            "TokensTable",
            access.tokens,
            resources.tokens,
            access.tokens_keys,
            _tables(scope, "tokens", service.tokens_table, environment),
        ),
        *(
            [_on_table("RevocationsTable", access.revocations, resources.revocations, REVOCATIONS_KEYS)]
            if access.revocations
            else []
        ),
        *_on_ring(access, environment, resources),
        *_on_data_key({*access.state, *access.tokens}, resources),
        *(
            iam.PolicyStatement(
                sid=sid,
                actions=[f"kms:{action}" for action in actions],
                resources=[key.key_arn],
                conditions=conditions,
            )
            for sid, actions, key, conditions in keys
            if actions
        ),
    ]


def keep_keys(environment: Environment, resources: Resources) -> None:
    """Let none but the functions whose rows say so sign or open a session, whatever somebody else's policies give them.

    The account's administrators can change these policies, which is a sign that somebody is told of (security stack). Keys that
    rotation makes have KMS's own policy: whoever makes a key with another one must be able to change it.
    """
    signing = [name for name, row in ACCESS.items() if "Sign" in row.signing]
    opening = [name for name, row in ACCESS.items() if row.session]
    for key, functions, denied in (
        (resources.signing_key, signing, ("Sign",)),
        (resources.session_key, opening, ("Encrypt", "Decrypt", "ReEncrypt*", "GenerateDataKey*")),
    ):
        stack = Stack.of(key)
        roles = [
            stack.format_arn(service="iam", region="", resource="role", resource_name=name_of(name, environment))
            for name in functions
        ]
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="NobodyElse",
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=[f"kms:{action}" for action in denied],
                resources=["*"],  # in a key's policy that is the key
                conditions={"ArnNotEquals": {"aws:PrincipalArn": roles}},
            )
        )


def _on_ring(access: Access, environment: Environment, resources: Resources) -> list[iam.PolicyStatement]:
    """Let whoever uses signing keys know which there are. The stack's own needs no tag, which counts only some time later."""
    if not access.signing:
        return []
    return [
        _on_table("KeysTable", ("GetItem",), resources.ring, ("ring",)),
        iam.PolicyStatement(
            sid="RingKeys",
            actions=[f"kms:{action}" for action in access.signing],
            resources=[resources.ring_keys],
            conditions={"StringEquals": {f"aws:ResourceTag/{SIGNING_KEY_TAG}": environment.name}},
        ),
    ]


def _on_table(
    sid: str, actions: tuple[str, ...], table: dynamodb.ITable, keys: tuple[str, ...], others: tuple[str, ...] = ()
) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=sid,
        actions=[f"dynamodb:{action}" for action in actions],
        resources=[table.table_arn, *others],
        conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(keys)}},
    )


def _on_data_key(actions: set[str], resources: Resources) -> list[iam.PolicyStatement]:
    """DynamoDB uses a customer's key with the caller's rights, so whoever reads a table needs to be able to decrypt."""
    if resources.data_key is None:
        return []
    region = Stack.of(resources.data_key).region
    writes = bool(actions - _READS)
    return [may_use_through("dynamodb", resources.data_key, sid="DataKey", writes=writes, region=region)]
