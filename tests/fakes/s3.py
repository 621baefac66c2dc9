"""S3 as the archive uses it: one bucket's objects in memory, every version of them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from tests.fakes.errors import client_error

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
"""When every object was put."""


class FakeS3:
    """An S3 client over buckets that are simply there."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.versions: list[tuple[str, bytes]] = []
        """(key, content) in the order in which they were put."""

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **settings: Any) -> dict[str, Any]:  # noqa: N803 - botocore's
        assert Bucket, "a bucket has a name"
        assert settings["ChecksumAlgorithm"] == "SHA256", "what is put is checked as it arrives"
        self.objects[Key] = Body
        self.versions.append((Key, Body))
        return {"VersionId": str(len(self.versions))}

    def get_object(self, *, Bucket: str, Key: str, VersionId: str = "") -> dict[str, Any]:  # noqa: N803 - botocore's
        assert Bucket, "a bucket has a name"
        if VersionId:
            key, content = self.versions[int(VersionId) - 1]
            assert key == Key, "a version is of its key"
            return {"Body": io.BytesIO(content)}
        if Key not in self.objects:
            raise client_error("NoSuchKey", f"The specified key {Key} does not exist.", status=404)
        return {"Body": io.BytesIO(self.objects[Key])}

    def get_paginator(self, operation: str) -> Any:
        if operation == "list_object_versions":
            return SimpleNamespace(paginate=self._pages_of_versions)
        assert operation == "list_objects_v2", f"{operation} is not faked"
        return self

    def _pages_of_versions(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        """One version a page; an object that was deleted still has its versions."""
        assert Bucket, "a bucket has a name"
        for number, (key, _) in enumerate(self.versions, start=1):
            yield {"Versions": [{"Key": key, "VersionId": str(number)}]} if key.startswith(Prefix) else {}

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803 - botocore's
        """One object a page, so that code that reads the first page only fails."""
        assert Bucket, "a bucket has a name"
        found = [
            {"Key": key, "Size": len(self.objects[key]), "LastModified": LONG_AGO}
            for key in sorted(self.objects)
            if key.startswith(Prefix)
        ]
        yield from ({"Contents": [one]} for one in found) if found else ({},)

    def delete_objects(self, *, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        assert Bucket, "a bucket has a name"
        assert len(Delete["Objects"]) <= 1000, "S3 deletes no more at once"
        for one in Delete["Objects"]:
            self.objects.pop(one["Key"], None)
        return {}
