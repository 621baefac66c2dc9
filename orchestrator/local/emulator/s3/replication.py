"""S3: objects are replicated to a bucket of another region with the role, the keys and the delays of a replication.

AWS:

- An object that a key of KMS encrypts is replicated only if the rule has ``SseKmsEncryptedObjects``. The replica is
  encrypted with the rule's ``ReplicaKmsKeyID``, a key of the destination's region. S3 needs ``kms:Decrypt`` on the source's
  key and ``kms:Encrypt`` on the replica's. S3 does not check the key when it gets the configuration: with an invalid one
  replication fails.
  https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html
- S3 assumes the role of the configuration, which needs ``s3:GetObjectVersionForReplication`` on the source and
  ``s3:ReplicateObject`` on the destination.
  https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html
- Replication is asynchronous. The status of the source is PENDING until it is COMPLETED or FAILED.
  https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-status.html
- The property ``ReplicationConfiguration`` of a bucket in CloudFormation.
  https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-s3-bucket-replicationconfiguration.html

Here an object is replicated at once, unless the destination's region is lost: then as soon as it has returned. Permissions
of the role count where policies are enforced, as on requests. There are no metrics of replication.

Stock MiniStack replicates at once, also into a lost region and without a role, leaves the source's key on the replica, and
ignores the property in CloudFormation.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

from orchestrator.local.emulator.kms.key_use import AWS_MANAGED, condition_keys, find_key, state_refusal
from orchestrator.local.emulator.kms.key_use import PINNED as KEY_USE
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap
from orchestrator.local.emulator.region_outage import OUTAGE
from orchestrator.local.emulator.scheduler import Scheduler

PINNED = {
    **KEY_USE,
    "ministack.services.s3._maybe_replicate": "cb2dd6521e3d196d",
    "ministack.services.s3._replication_rule_for": "53970a6a11c1e27c",
    "ministack.services.s3._replication_destination_region": "84ff7deeab0beafa",
    "ministack.services.s3._record_object_version": "9af490c3d6ff2f01",
    "ministack.services.s3._put_bucket_replication": "4b079c94906276a8",
    "ministack.services.s3._delete_bucket_replication": "badf0352a659d126",
    "ministack.services.cloudformation.provisioners._s3_apply_configurations": "9a299ad21255ed90",
    "ministack.core.iam_evaluator.evaluate": "2a5dd6932d1aca6a",
    "ministack.core.iam_evaluator._gather_role_policies": "d83d1661b86595ac",
}

_PENDING, _FAILED, _COMPLETED = "PENDING", "FAILED", "COMPLETED"
_ENCRYPTION_HEADER = "x-amz-server-side-encryption"
_KEY_HEADER = f"{_ENCRYPTION_HEADER}-aws-kms-key-id"
_ROLE = re.compile(r"arn:aws:iam::(?P<account>\d{12}):role/(?:.*/)?(?P<name>[^/]+)")
_RETRY_SECONDS = 0.5

Json = dict[str, Any]


def install(_options: Options) -> None:
    """Install the patch in this process."""
    wrap(_s3(), "_maybe_replicate", _replicating(Scheduler("s3-replication")))
    provisioners: Any = importlib.import_module("ministack.services.cloudformation.provisioners")
    provisioners._S3_BUCKET_CONFIGURATIONS = (
        *provisioners._S3_BUCKET_CONFIGURATIONS,
        ("ReplicationConfiguration", configuration_xml, _put, _s3()._delete_bucket_replication),
    )


def _replicating(scheduler: Scheduler) -> Callable[..., Any]:
    def wrapper(original: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(original)
        def replicate(bucket: str, key: str, stored: Json, data: Any, tags: Json | None = None) -> None:
            rule, role = _s3()._replication_rule_for(bucket, key, tags)
            source_key = _key_of(stored)
            if rule is None or (source_key and not _includes_encrypted(rule)):
                return
            region = _s3()._replication_destination_region(_destination(rule)["Bucket"])
            if region in OUTAGE.lost:
                _stamp(bucket, key, stored, _PENDING)
                scheduler.call_later(_RETRY_SECONDS, lambda: replicate(bucket, key, stored, data, tags))
                return
            replica_key = _replica_key(rule) if source_key else ""
            if _refused(bucket, key, role, rule, region, source_key, replica_key):
                _stamp(bucket, key, stored, _FAILED)
                return
            original(bucket, key, stored, data, tags)
            _stamp(bucket, key, stored, stored.get("replication_status", ""))
            if replica_key and stored.get("replication_status") == _COMPLETED:
                _encrypt_replica(stored, key, replica_key, region)

        return replicate

    return wrapper


def _refused(
    bucket: str, key: str, role: str, rule: Json, region: str | None, source_key: str, replica_key: str
) -> bool:
    """Return whether S3 cannot replicate an object: a key cannot be used, or its role may not."""
    destination = _destination(rule)["Bucket"]
    needed: list[tuple[str, str, Json]] = [
        ("s3:GetObjectVersionForReplication", f"arn:aws:s3:::{bucket}/{key}", {}),
        ("s3:ReplicateObject", f"{destination}/{key}", {}),
    ]
    uses = [("Decrypt", source_key, _bucket_region(bucket)), ("Encrypt", replica_key, region)] if source_key else []
    for action, used, place in uses:
        with _in_region(place):
            if state_refusal(used):
                return True
            if AWS_MANAGED not in used:
                needed.append((f"kms:{action}", _key_arn(used), _context_of_key(used, place)))
    return not _role_may(role, needed)


def _role_may(role: str, needed: list[tuple[str, str, Json]]) -> bool:
    """Return whether the role exists and, where policies are enforced, has the permissions."""
    match = _ROLE.fullmatch(role)
    if match is None:
        return False
    name, account = match["name"], match["account"]
    iam = importlib.import_module("ministack.services.iam")
    if iam._roles.get_scoped(account, None, name) is None:
        return False
    if not importlib.import_module("ministack.app").AUTH:
        return True
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    policies = evaluator._gather_role_policies(name, account)
    for action, arn, context in needed:
        request = evaluator.EvalContext(
            principal_arn=role,
            principal_type="AssumedRole",
            principal_account=account,
            action=action,
            resource_arn=arn,
            region=_responses().get_region(),
            service_context={name.lower(): value for name, value in context.items()},
        )
        if evaluator.evaluate(request, policies).decision != "Allow":
            return False
    return True


def _context_of_key(key: str, region: str | None) -> Json:
    """Return the condition keys of S3's use of a key, in the request's region."""
    aliases = importlib.import_module("ministack.services.kms")._aliases
    arn = _key_arn(key)
    names = [alias.rpartition(":")[2] for alias, key_id in aliases.items() if arn.endswith(f"/{key_id}")]
    context = condition_keys({}, _responses().get_account_id())
    return {**context, "kms:ViaService": f"s3.{region}.amazonaws.com", "kms:ResourceAliases": names}


def _encrypt_replica(stored: Json, key: str, replica_key: str, region: str | None) -> None:
    """Name the key of the destination's region on the replica, in place: its version has the same headers."""
    bucket, _, account = stored["_replica"]
    with _in_region(region):
        arn = _key_arn(replica_key)
    _s3()._buckets.get_scoped(account, None, bucket)["objects"][key]["preserved_headers"][_KEY_HEADER] = arn


def _stamp(bucket: str, key: str, stored: Json, status: str) -> None:
    """Set the replication status of an object, and of its version if that is recorded already."""
    stored["replication_status"] = status
    for version in _s3()._object_versions.get((bucket, key), []):
        if version["version_id"] == stored.get("version_id"):
            version["replication_status"] = status


def _key_of(stored: Json) -> str:
    headers = stored["preserved_headers"]
    if headers.get(_ENCRYPTION_HEADER) != "aws:kms":
        return ""
    return str(headers.get(_KEY_HEADER) or f"{AWS_MANAGED}s3")


def _includes_encrypted(rule: Json) -> bool:
    criteria = rule.get("SourceSelectionCriteria") or {}
    return bool((criteria.get("SseKmsEncryptedObjects") or {}).get("Status") == "Enabled")


def _replica_key(rule: Json) -> str:
    return str((_destination(rule).get("EncryptionConfiguration") or {}).get("ReplicaKmsKeyID", ""))


def _destination(rule: Json) -> Json:
    return dict(rule.get("Destination") or {"Bucket": ""})


def _key_arn(key: str) -> str:
    record = find_key(key)
    return str(record["Arn"]) if record else key


def _bucket_region(bucket: str) -> str | None:
    region: str | None = _s3().bucket_region(bucket)
    return region


@contextmanager
def _in_region(region: str | None) -> Iterator[None]:
    before = _responses().get_region()
    _responses().set_request_region(region or before)
    try:
        yield
    finally:
        _responses().set_request_region(before)


# --- CloudFormation -----------------------------------------------------------------------------------------------


def configuration_xml(configuration: Mapping[str, Any]) -> bytes:
    """Return a ``ReplicationConfiguration`` of a template as the body of PutBucketReplication."""
    rules = "".join(f"<Rule>{_rule_xml(rule)}</Rule>" for rule in configuration.get("Rules", []))
    role = escape(str(configuration.get("Role", "")))
    return f"<ReplicationConfiguration><Role>{role}</Role>{rules}</ReplicationConfiguration>".encode()


def _rule_xml(rule: Mapping[str, Any]) -> str:
    def element(name: str, value: Any) -> str:
        inner = (
            "".join(element(part, found) for part, found in value.items())
            if isinstance(value, Mapping)
            else escape(str(value))
        )
        tag = "ID" if name == "Id" else name
        return f"<{tag}>{inner}</{tag}>"

    return "".join(element(name, value) for name, value in rule.items())


def _put(name: str, body: bytes) -> None:
    status, _, content = _s3()._put_bucket_replication(name, body)
    if status >= HTTPStatus.BAD_REQUEST:
        raise ValueError(f"AWS::S3::Bucket {name}: ReplicationConfiguration: {content.decode()}")


def _s3() -> Any:
    return importlib.import_module("ministack.services.s3")


def _responses() -> Any:
    return importlib.import_module("ministack.core.responses")
