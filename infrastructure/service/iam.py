"""The permissions of the service's functions: one table, and the policy statements that it results in.

No other module grants permissions to these functions. Conditions limit table access to the partition keys that the
function uses (`service/storage/item_codec.py`), so a bug in one function cannot affect another function's items.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infrastructure.arns import role_arn, table_arn
from infrastructure.iam import allow_key_through_service
from infrastructure.keys import deny_others
from infrastructure.naming import physical_name
from orchestrator.environments import Environment
from service.keys.issuing_lease import LEASE_KEY
from service.storage.tables import HEALTH_KEY


@dataclass(frozen=True)
class ServiceResources:
    """The stack's tables and keys.

    Attributes:
        data_key: encrypts the tables; None if AWS's own key does.
        ring: the table of the key ring.
        ring_keys: ARN pattern of every KMS key; `SIGNING_KEY_TAG` selects the environment's signing keys.
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
class FunctionAccess:
    """Permissions of one function: actions on tables, limited to partition keys, and actions on KMS keys.

    Attributes:
        state_keys, tokens_keys: patterns of the partition keys.
        revocations: actions on the log of revocations, of which only the health check reads, a key without an item.
        revocations_keys: patterns of the partition keys of the log.
        signing: actions on the stack's own signing key and on those that rotation creates. They include reading the
            key ring.
    """

    state: tuple[str, ...]
    state_keys: tuple[str, ...]
    tokens: tuple[str, ...]
    tokens_keys: tuple[str, ...]
    revocations: tuple[str, ...] = ()
    revocations_keys: tuple[str, ...] = ()
    signing: tuple[str, ...] = ()
    session: tuple[str, ...] = ()
    synthetic: tuple[str, ...] = ()


REVOCATIONS_KEYS = ("revoked#*", "disowned#*", "synthetic#*")

ACCESS = {
    "authorize": FunctionAccess(
        state=("GetItem", "PutItem", "UpdateItem"),
        state_keys=("login#*", "code#*", "synthetic#*", "client#*"),
        tokens=("GetItem",),
        tokens_keys=("epoch", "client#*"),
        session=("Encrypt", "Decrypt"),
        synthetic=("VerifyMac",),
    ),
    "token": FunctionAccess(
        state=("BatchGetItem", "UpdateItem"),
        state_keys=("code#*", "synthetic#*"),
        tokens=("GetItem", "BatchGetItem", "PutItem", "UpdateItem"),
        tokens_keys=("family#*", "epoch", "synthetic#*", "client#*"),
        revocations=("PutItem",),
        revocations_keys=REVOCATIONS_KEYS,
        signing=("Sign", "GetPublicKey"),
    ),
    "public": FunctionAccess(
        state=("GetItem",),
        state_keys=(HEALTH_KEY,),
        tokens=("GetItem", "BatchGetItem"),
        tokens_keys=("family#*", "epoch", "synthetic#*", "client#*"),
        revocations=("GetItem",),
        revocations_keys=(HEALTH_KEY,),
        signing=("GetPublicKey",),
        session=("Decrypt",),
    ),
}

SIGNING_KEY_TAG = "ib-oauth:signing-key"
"""The tag on every signing key; its value is the environment's name."""

RESTORED_REASON = "restored tables are named by the restore that creates them"
RING_KEYS_REASON = "rotation creates signing keys; a condition on their tag limits this to the environment"

_READS = frozenset({"GetItem", "BatchGetItem"})


def restored_tables_arn(scope: Construct, role: str, environment: Environment) -> str:
    """Return the ARN pattern of the tables that restores, but not drills, create for `state` or `tokens`."""
    return table_arn(Stack.of(scope), physical_name(f"restored-*-{role}", environment))


def reachable_tables(scope: Construct, environment: Environment, resources: ServiceResources) -> list[str]:
    """Return the ARNs of every table that a function may use, now or after a restore."""
    service = environment.service
    return [
        *(table.table_arn for table in (resources.state, resources.tokens, resources.ring, resources.revocations)),
        *_replacement_tables(scope, "state", service.state_table, environment),
        *_replacement_tables(scope, "tokens", service.tokens_table, environment),
    ]


def _replacement_tables(scope: Construct, role: str, live: str, environment: Environment) -> tuple[str, ...]:
    """Return the ARNs of tables that can replace the live one: restored tables, and the stack's own for a failback."""
    own = physical_name(role, environment)
    failback = () if live == own else (table_arn(Stack.of(scope), own),)
    return (restored_tables_arn(scope, role, environment), *failback)


def policy_statements(
    scope: Construct, name: str, environment: Environment, resources: ServiceResources
) -> list[iam.PolicyStatement]:
    """Return the policy statements of a function, in addition to logging and tracing."""
    access, service = ACCESS[name], environment.service
    context = {"StringEquals": {"kms:EncryptionContext:environment": environment.name}}
    keys = (
        ("SigningKey", access.signing, resources.signing_key, None),
        ("SessionKey", access.session, resources.session_key, context),
        ("SyntheticKey", access.synthetic, resources.synthetic_key, None),
    )
    return [
        _table_statement(
            "StateTable",
            access.state,
            resources.state,
            access.state_keys,
            _replacement_tables(scope, "state", service.state_table, environment),
        ),
        _table_statement(
            "TokensTable",
            access.tokens,
            resources.tokens,
            access.tokens_keys,
            _replacement_tables(scope, "tokens", service.tokens_table, environment),
        ),
        *(
            [_table_statement("RevocationsTable", access.revocations, resources.revocations, access.revocations_keys)]
            if access.revocations
            else []
        ),
        *_key_ring_statements(access, environment, resources),
        *_data_key_statements({*access.state, *access.tokens}, resources),
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


def restrict_key_use(environment: Environment, resources: ServiceResources) -> None:
    """Deny signing and session decryption to all principals except the functions that need it.

    This overrides any other policy. An administrator can change the key policies, which the security stack's alarm
    reports. Keys that rotation creates have KMS's default policy: creating a key with a stricter policy would require
    the permission to change it.
    """
    signing_functions = [name for name, row in ACCESS.items() if "Sign" in row.signing]
    session_functions = [name for name, row in ACCESS.items() if row.session]
    for key, functions, denied_actions in (
        (resources.signing_key, signing_functions, ("Sign",)),
        (resources.session_key, session_functions, ("Encrypt", "Decrypt", "ReEncrypt*", "GenerateDataKey*")),
    ):
        roles = [role_arn(Stack.of(key), environment, name) for name in functions]
        deny_others(key, "DenyOtherPrincipals", [f"kms:{action}" for action in denied_actions], roles)


def _key_ring_statements(
    access: FunctionAccess, environment: Environment, resources: ServiceResources
) -> list[iam.PolicyStatement]:
    """Allow functions that use signing keys to read the key ring, and to use keys by tag.

    The stack's own key is granted by ARN, because KMS applies a new tag only after some minutes.
    """
    if not access.signing:
        return []
    # Next to the ring is the lease that permits this region to sign, where the environment has a standby region.
    items = ("ring", LEASE_KEY) if environment.failover else ("ring",)
    return [
        _table_statement("KeysTable", ("GetItem",), resources.ring, items),
        iam.PolicyStatement(
            sid="RingKeys",
            actions=[f"kms:{action}" for action in access.signing],
            resources=[resources.ring_keys],
            conditions={"StringEquals": {f"aws:ResourceTag/{SIGNING_KEY_TAG}": environment.name}},
        ),
    ]


def _table_statement(
    sid: str,
    actions: tuple[str, ...],
    table: dynamodb.ITable,
    keys: tuple[str, ...],
    replacements: tuple[str, ...] = (),
) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=sid,
        actions=[f"dynamodb:{action}" for action in actions],
        resources=[table.table_arn, *replacements],
        conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(keys)}},
    )


def _data_key_statements(actions: set[str], resources: ServiceResources) -> list[iam.PolicyStatement]:
    """Allow the use of the tables' key: DynamoDB uses a customer managed key with the caller's permissions."""
    if resources.data_key is None:
        return []
    region = Stack.of(resources.data_key).region
    writes = bool(actions - _READS)
    return [allow_key_through_service("dynamodb", resources.data_key, sid="DataKey", writes=writes, region=region)]
