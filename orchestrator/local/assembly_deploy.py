"""Deploys a cloud assembly by the API of CloudFormation, for installations that have no CDK command line.

It does what ``cdk bootstrap`` and ``cdk deploy --method=direct`` do with our stacks: it publishes the files of a stack,
creates or updates the stack from its template in the bucket, and waits. The command line is a package of npm and has
30 MB, so a wheel cannot contain it (docs/adr/0052-the-package-has-what-a-clone-has.md).
"""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from orchestrator.local.cloud import LocalCloudError

QUALIFIER = "hnb659fds"
"""The default qualifier of the CDK's bootstrap; it is in the names of the bucket and of the version's parameter."""

BOOTSTRAP_VERSION = "30"
"""A version that every template accepts. They compare it with the oldest that has what they need."""

POLL_SECONDS = 0.2
DEPLOY_SECONDS = 600

_CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")
_DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
_TO_BE_CREATED_AGAIN = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")
_EPOCH = (1980, 1, 1, 0, 0, 0)


class DeployFailed(LocalCloudError):
    """A synthesis or a deployment failed. The message has what failed, and the output or the events."""


def bootstrap(environ: Mapping[str, str], account: str) -> None:
    """Create what an assembly needs in an account: the bucket of its files, and the parameter with the version.

    Args:
        environ: environment variables with which AWS clients use the local cloud.
        account: the account's id.
    """
    region = environ["AWS_DEFAULT_REGION"]
    s3 = _client("s3", environ)
    # us-east-1 is the one region that may not be named.
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    # It exists if an earlier bootstrap was interrupted after this.
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
        s3.create_bucket(Bucket=f"cdk-{QUALIFIER}-assets-{account}-{region}", **place)
    _client("ssm", environ).put_parameter(
        Name=f"/cdk-bootstrap/{QUALIFIER}/version", Value=BOOTSTRAP_VERSION, Type="String", Overwrite=True
    )


def deploy(assembly: Path, names: Sequence[str], environ: Mapping[str, str], account: str) -> None:
    """Deploy stacks of an assembly, each after those that it depends on.

    Args:
        assembly: the folder of the cloud assembly.
        names: complete names of stacks.
        environ: environment variables with which AWS clients use the local cloud.
        account: the account's id.

    Raises:
        DeployFailed: a stack was not created or updated; the message has the events that say why.
    """
    artifacts = json.loads((assembly / "manifest.json").read_bytes())["artifacts"]
    for name in in_order(artifacts, names):
        _publish(assembly, name, environ, account)
        _deploy_stack(name, artifacts[name].get("properties", {}), environ, account)


def in_order(artifacts: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Return the names in an order in which no stack comes before one that it depends on.

    Args:
        artifacts: of the assembly's manifest, by name.
        names: complete names of stacks.

    Raises:
        DeployFailed: the assembly has no such stack.
    """
    ordered: list[str] = []

    def visit(name: str) -> None:
        if name not in artifacts:
            stacks = sorted(key for key, one in artifacts.items() if one["type"] == "aws:cloudformation:stack")
            raise DeployFailed(f"the assembly has no stack {name}; it has {', '.join(stacks)}")
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


def _publish(assembly: Path, name: str, environ: Mapping[str, str], account: str) -> None:
    """Put a stack's files into the bucket. Their keys are digests of their content, so one that is there is the same."""
    s3 = _client("s3", environ)
    for source, bucket, key in _files(assembly, name, environ["AWS_DEFAULT_REGION"], account):
        if key not in _keys(s3, bucket, key):
            s3.put_object(Bucket=bucket, Key=key, Body=zipped(source) if source.is_dir() else source.read_bytes())


def _files(assembly: Path, name: str, region: str, account: str) -> Iterator[tuple[Path, str, str]]:
    for file in json.loads((assembly / f"{name}.assets.json").read_bytes())["files"].values():
        for destination in file["destinations"].values():
            bucket = _resolved(destination["bucketName"], region, account)
            yield assembly / file["source"]["path"], bucket, destination["objectKey"]


def _keys(s3: Any, bucket: str, prefix: str) -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())]


def _resolved(text: str, region: str, account: str) -> str:
    return text.replace("${AWS::AccountId}", account).replace("${AWS::Region}", region)


def _deploy_stack(name: str, properties: Mapping[str, Any], environ: Mapping[str, str], account: str) -> None:
    client = _client("cloudformation", environ)
    location = _resolved(properties["stackTemplateAssetObjectUrl"], environ["AWS_DEFAULT_REGION"], account)
    request = {
        "StackName": name,
        "TemplateURL": f"{environ['AWS_ENDPOINT_URL']}/{location.removeprefix('s3://')}",
        "Capabilities": list(_CAPABILITIES),
        "Tags": [{"Key": key, "Value": value} for key, value in properties.get("tags", {}).items()],
    }
    status = _status(client, name)
    if status in _TO_BE_CREATED_AGAIN:
        client.delete_stack(StackName=name)
        status = _settled(client, name)
    if status is None:
        client.create_stack(**request)
    elif not _update(client, request):
        return
    if (ended := _settled(client, name)) not in _DONE:
        raise DeployFailed(f"{name} ended in {ended}:\n{_reasons(client, name)}")


def _update(client: Any, request: Mapping[str, Any]) -> bool:
    """Update a stack; return whether anything differs."""
    try:
        client.update_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return False
        raise DeployFailed(f"{request['StackName']} was not updated: {error}") from error
    return True


def _settled(client: Any, name: str) -> str | None:
    """Wait until nothing is in progress; return the stack's status, None for no stack."""
    deadline = time.monotonic() + DEPLOY_SECONDS
    while (status := _status(client, name)) is not None and status.endswith("_IN_PROGRESS"):
        if time.monotonic() > deadline:
            raise DeployFailed(f"{name} is still in {status} after {DEPLOY_SECONDS} s")
        time.sleep(POLL_SECONDS)
    return status


def _status(client: Any, name: str) -> str | None:
    try:
        status = str(client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return None if status == "DELETE_COMPLETE" else status


def _reasons(client: Any, name: str) -> str:
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    failed = [event for event in reversed(events) if event["ResourceStatus"].endswith("_FAILED")]
    return "\n".join(
        f"{event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', 'no reason')}"
        for event in failed
    )


def _client(service: str, environ: Mapping[str, str]) -> Any:
    session: Any = boto3.Session(
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        region_name=environ["AWS_DEFAULT_REGION"],
    )
    return session.client(service, endpoint_url=environ["AWS_ENDPOINT_URL"])
