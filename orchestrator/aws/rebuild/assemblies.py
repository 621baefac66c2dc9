"""Cloud assemblies of the CDK: their stacks and templates, and the files that CloudFormation needs in a bucket."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.aws.clients import translate_errors
from orchestrator.domain.errors import OrchestratorError

_EPOCH = (1980, 1, 1, 0, 0, 0)
_STACK = "aws:cloudformation:stack"


class UnknownStack(OrchestratorError):
    """An assembly has no stack of a name."""


class Assembly:
    """A folder that `cdk synth` wrote.

    Args:
        folder: with `manifest.json`.
        account, region: what the placeholders of its addresses stand for.

    Raises:
        OSError, ValueError: the folder has no manifest that can be read.
    """

    def __init__(self, folder: Path, account: str, region: str) -> None:
        self._folder, self._account, self._region = folder, account, region
        self.artifacts: Mapping[str, Mapping[str, Any]] = json.loads((folder / "manifest.json").read_bytes())[
            "artifacts"
        ]

    def stacks(self, region: str) -> tuple[str, ...]:
        """Return the stacks of a region, each after those that it depends on."""
        names = [
            name
            for name, artifact in self.artifacts.items()
            if artifact["type"] == _STACK and str(artifact.get("environment", region)).rpartition("/")[2] == region
        ]
        return tuple(in_order(self.artifacts, names))

    def template(self, stack: str) -> Mapping[str, Any]:
        """Return a stack's template."""
        return dict(json.loads((self._folder / f"{stack}.template.json").read_bytes()))

    def properties(self, stack: str) -> Mapping[str, Any]:
        """Return a stack's properties in the manifest."""
        return dict(self.artifacts[stack].get("properties", {}))

    def template_location(self, stack: str) -> str:
        """Return the bucket and key of a stack's template, with a slash in between."""
        return self.resolved(str(self.properties(stack)["stackTemplateAssetObjectUrl"])).removeprefix("s3://")

    def publish(self, stack: str, clients: Callable[[str], Any]) -> None:
        """Put a stack's files into the bucket. Their keys are digests of their content: one that is there is the same."""
        s3 = clients("s3")
        for source, bucket, key in self._files(stack):
            with translate_errors():
                found = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", ())]
                if key not in found:
                    body = zipped(source) if source.is_dir() else source.read_bytes()
                    s3.put_object(Bucket=bucket, Key=key, Body=body)

    def resolved(self, text: str) -> str:
        """Return a text of the manifest without placeholders."""
        texts = {"AccountId": self._account, "Region": self._region, "Partition": "aws"}
        for name, value in texts.items():
            text = text.replace(f"${{AWS::{name}}}", value)
        return text

    def _files(self, stack: str) -> Iterator[tuple[Path, str, str]]:
        for file in json.loads((self._folder / f"{stack}.assets.json").read_bytes())["files"].values():
            for destination in file["destinations"].values():
                bucket = self.resolved(destination["bucketName"])
                yield self._folder / file["source"]["path"], bucket, destination["objectKey"]


def digest_of(templates: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the digest of an assembly's templates; they name its code by digests."""
    text = json.dumps({name: templates[name] for name in sorted(templates)}, sort_keys=True, allow_nan=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def in_order(artifacts: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Return the names in an order in which no stack comes before one that it depends on.

    Args:
        artifacts: of the assembly's manifest, by name.
        names: complete names of stacks.

    Raises:
        UnknownStack: the assembly has no such stack.
    """
    ordered: list[str] = []

    def visit(name: str) -> None:
        if name not in artifacts:
            stacks = sorted(key for key, one in artifacts.items() if one["type"] == _STACK)
            raise UnknownStack(f"the assembly has no stack {name}; it has {', '.join(stacks)}")
        for dependency in artifacts[name].get("dependencies", ()):
            if dependency in names and dependency not in ordered:
                visit(dependency)
        if name not in ordered:
            ordered.append(name)

    for name in names:
        visit(name)
    return ordered


def zipped(folder: Path) -> bytes:
    """Return a folder as a zip file, the same bytes for the same content."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
                info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(info, path.read_bytes())
    return stream.getvalue()
