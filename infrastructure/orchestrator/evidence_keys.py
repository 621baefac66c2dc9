"""The keys that sign evidence. Only the functions that record evidence may use the newest; no principal may use others.

The key policy denies `kms:Sign` to every other principal of the account, whatever its own policies and grants allow.
An explicit Deny is stronger than both. Who may change the policy can lift it; the alarm `kms-key-changed` fires then.
https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_kms as kms

from infrastructure.arns import role_arn
from infrastructure.keys import create_key, deny_others
from orchestrator.environments import Environment
from orchestrator.environments.evidence import key_alias

RECORDERS = ("task-record-evidence", "event-clean-up-drills", "event-record-report")
"""The functions that append entries to the evidence chain."""


def create_evidence_keys(stack: Stack, environment: Environment) -> Sequence[kms.IKey]:
    """Create the keys, oldest first; the last one signs."""
    count = environment.evidence.signing_keys
    return [_key(stack, environment, number, signs=number == count) for number in range(1, count + 1)]


def _key(stack: Stack, environment: Environment, number: int, *, signs: bool) -> kms.Key:
    key = create_key(
        stack,
        environment,
        f"evidence-signing-key-{number}",
        f"Signs evidence ({environment.name}, key {number})",
        construct_id=f"EvidenceSigningKey{number}",
        alias=key_alias(number, environment.name),
        spec=kms.KeySpec.ECC_NIST_P256,
    )
    recorders = [role_arn(stack, environment, name) for name in RECORDERS] if signs else []
    deny_others(key, "OnlyRecordersSign", ["kms:Sign"], recorders)
    return key
