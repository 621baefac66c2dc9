"""S3: an object that a customer managed key encrypts is written and read with the caller's permissions on the key.

AWS:

- S3 encrypts a new object with the key that the request names, or the bucket's default encryption. Writing it requires
  ``kms:GenerateDataKey``, reading it ``kms:Decrypt``, through S3.
  https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#require-sse-kms
- A request that asks for ``aws:kms`` without a key gets the AWS managed key of S3.
  https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
- The encryption context is the object's ARN, or with an S3 Bucket Key the bucket's.
  https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#encryption-context
- A caller without the permission gets AccessDenied. Other failures have the code of KMS's error with the prefix
  ``KMS.``. https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html

Uploads in parts and copies are not checked. The product makes none.

Stock MiniStack stores which key encrypts an object, and does not use it. It rejects ``aws:kms`` without a key.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from orchestrator.local.emulator.kms.key_use import ACCESS_DENIED, AWS_MANAGED, KeyUse, Refusal, refusal_of
from orchestrator.local.emulator.kms.key_use import PINNED as KEY_USE
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    **KEY_USE,
    "ministack.services.s3._get_object": "64ad7071ef0ec45a",
    "ministack.services.s3._put_object": "cf5861e4d9999243",
    "ministack.services.s3._resolve_sse_write_headers": "2affef5a7d37a055",
    "ministack.services.s3._error": "7a708a97c4bd72fb",
}

_ENCRYPTION_HEADER = "x-amz-server-side-encryption"
_KEY_HEADER = f"{_ENCRYPTION_HEADER}-aws-kms-key-id"

Response = tuple[int, dict[str, str], bytes]


def install(_options: Options) -> None:
    """Install the patch in this process."""
    s3 = importlib.import_module("ministack.services.s3")
    wrap(s3, "_resolve_sse_write_headers", _with_managed_key)
    wrap(s3, "_get_object", _decrypting)
    wrap(s3, "_put_object", _encrypting)


def _with_managed_key(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def resolve_sse_write_headers(headers: Mapping[str, str], bucket_name: str) -> Any:
        if headers.get(_ENCRYPTION_HEADER) != "aws:kms" or headers.get(_KEY_HEADER):
            return original(headers, bucket_name)
        responses = importlib.import_module("ministack.core.responses")
        key = f"arn:aws:kms:{responses.get_region()}:{responses.get_account_id()}:{AWS_MANAGED}s3"
        return original({**headers, _KEY_HEADER: key}, bucket_name)

    return resolve_sse_write_headers


def _encrypting(original: Callable[..., Response]) -> Callable[..., Response]:
    @functools.wraps(original)
    def put_object(bucket_name: str, key: str, body: bytes, headers: dict[str, str]) -> Response:
        resolved, _ = _s3()._resolve_sse_write_headers(headers, bucket_name)
        refusal = _refusal(resolved or {}, bucket_name, key, "GenerateDataKey", headers, {})
        return _error(refusal, key) if refusal else original(bucket_name, key, body, headers)

    return put_object


def _decrypting(original: Callable[..., Response]) -> Callable[..., Response]:
    @functools.wraps(original)
    def get_object(
        bucket_name: str, key: str, headers: dict[str, str] | None = None, query_params: dict[str, Any] | None = None
    ) -> Response:
        response = original(bucket_name, key, headers or {}, query_params or {})
        if response[0] not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
            return response
        refusal = _refusal(response[1], bucket_name, key, "Decrypt", headers or {}, query_params or {})
        return _error(refusal, key) if refusal else response

    return get_object


def _refusal(
    encryption: Mapping[str, str],
    bucket: str,
    key: str,
    action: str,
    headers: Mapping[str, str],
    query_params: Mapping[str, Any],
) -> Refusal | None:
    kms_key = encryption.get(_KEY_HEADER)
    if not kms_key:
        return None
    whole_bucket = "<BucketKeyEnabled>true<" in (_s3()._bucket_encryption.get(bucket) or "")
    arn = f"arn:aws:s3:::{bucket}" if whole_bucket else f"arn:aws:s3:::{bucket}/{key}"
    return refusal_of(KeyUse("s3", kms_key, (action,), {"aws:s3:arn": arn}), headers, query_params)


def _error(refusal: Refusal, key: str) -> Response:
    denied = refusal.error == ACCESS_DENIED
    code = "AccessDenied" if denied else f"KMS.{refusal.error}"
    status = HTTPStatus.FORBIDDEN if denied else HTTPStatus.BAD_REQUEST
    response: Response = _s3()._error(code, refusal.message, int(status), key)
    return response


def _s3() -> Any:
    return importlib.import_module("ministack.services.s3")
