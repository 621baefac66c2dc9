"""S3, if policies are enforced: a missing object is reported as missing only to a caller that may list the bucket.

AWS: if the object does not exist, the error depends on whether the caller also has ``s3:ListBucket``. With it S3 returns
404 (NoSuchKey), without it 403 (AccessDenied).
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html

The request names no prefix, so a condition on ``s3:prefix`` is not met by it.

Stock MiniStack returns NoSuchKey to every caller that may read objects.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.s3._get_object": "64ad7071ef0ec45a",
    "ministack.services.s3._head_object": "369c3a8482eadb36",
    "ministack.services.s3._ensure_bucket": "6d3c30f64f2a81d3",
    "ministack.app._enforce_data_plane": "1e54bcf1421bb5d8",
}

Response = tuple[int, dict[str, str], bytes]


def install(_options: Options) -> None:
    """Install the patch in this process."""
    s3 = importlib.import_module("ministack.services.s3")
    for name in ("_get_object", "_head_object"):
        wrap(s3, name, _hide_missing)


def _hide_missing(original: Callable[..., Response]) -> Callable[..., Response]:
    @functools.wraps(original)
    def read(
        bucket_name: str, key: str, headers: dict[str, str] | None = None, query_params: dict[str, Any] | None = None
    ) -> Response:
        response = original(bucket_name, key, headers or {}, query_params or {})
        if response[0] != HTTPStatus.NOT_FOUND or not _bucket_exists(bucket_name):
            return response
        denied: Response | None = importlib.import_module("ministack.app")._enforce_data_plane(
            "s3", "s3:ListBucket", headers or {}, query_params or {}, "", resource_arn=f"arn:aws:s3:::{bucket_name}"
        )
        return denied or response

    return read


def _bucket_exists(bucket_name: str) -> bool:
    return importlib.import_module("ministack.services.s3")._ensure_bucket(bucket_name) is not None
