"""Contract tests: what AWS does, held against the local cloud with its patches and against MiniStack without them.

A test that uses the fixture ``cloud`` has two cases. `make test` runs it on the patched cloud. `make proof` runs it on
stock MiniStack as well, where it must fail (strict xfail): this finds a patch that MiniStack no longer needs.
The marker ``both`` is for behaviour that stock MiniStack has as well.
All tests of a session share a cloud, so each test uses unique names (``cloud.name("table")``).
"""

from __future__ import annotations

import io
import itertools
import textwrap
import uuid
import zipfile
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config

from orchestrator.local.cloud import ACCOUNT, LocalCloud
from orchestrator.local.emulator import PATCHES

ROLE = f"arn:aws:iam::{ACCOUNT}:role/contract-test"


def pytest_addoption(parser):
    parser.addoption(
        "--patches", type=lambda names: names.split(","), default=PATCHES, help="only these, to hold one alone"
    )


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "both: the behaviour is AWS's on stock MiniStack as well; not expected to fail there"
    )


def pytest_generate_tests(metafunc):
    if "cloud" not in metafunc.fixturenames:
        return
    alike = metafunc.definition.get_closest_marker("both") is not None
    differs = pytest.mark.xfail(strict=True, reason="stock MiniStack does not do this; that is why the patch exists")
    # `make test` runs no test of stock MiniStack, so it starts no stock process. `make proof` runs them.
    stock = pytest.param("stock", marks=[pytest.mark.proof] if alike else [pytest.mark.proof, differs])
    clouds = ["patched", stock]
    metafunc.parametrize("cloud", clouds, indirect=True, scope="session")


@dataclass
class CloudUnderTest:
    """A local cloud, with what contract tests do over and over."""

    local: LocalCloud
    patched: bool
    _numbers: itertools.count = field(default_factory=itertools.count)
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def endpoint_url(self) -> str:
        return self.local.endpoint_url

    @property
    def region(self) -> str:
        return self.local.region

    def client(self, service: str, **config: Any) -> Any:
        """A boto3 client that does not retry, so that a test sees each answer; made once, unless configured."""
        if config or service not in self._clients:
            settings = Config(
                **{"retries": {"max_attempts": 0}, "max_pool_connections": 50, "read_timeout": 60} | config
            )
            session = boto3.Session("test", "test", region_name=self.region)
            client = session.client(service, endpoint_url=self.endpoint_url, config=settings)
            return client if config else self._clients.setdefault(service, client)
        return self._clients[service]

    def name(self, kind: str) -> str:
        """A name that is unique in this session."""
        return f"{kind}-{next(self._numbers)}-{uuid.uuid4().hex[:6]}"

    def function(self, source: str, *, name: str | None = None, **settings: Any) -> str:
        """Create a Lambda function whose module is `source` (it defines ``handler``) and return its name, when Active."""
        name = name or self.name("function")
        settings = {"Runtime": "python3.13", "Role": ROLE, "Handler": "function.handler", "Timeout": 10} | settings
        client = self.client("lambda")
        client.create_function(FunctionName=name, Code={"ZipFile": zipped(source)}, **settings)
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05})
        return name

    def change(self, name: str, source: str) -> None:
        """Give a function new code, and wait until it has it."""
        client = self.client("lambda")
        client.update_function_code(FunctionName=name, ZipFile=zipped(source))
        client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05})

    def versions(self, name: str, *sources: str) -> list[str]:
        """Publish a version of a function for each source; returns their numbers."""
        published = []
        for source in sources:
            self.change(name, source)
            published.append(self.client("lambda").publish_version(FunctionName=name)["Version"])
        return published


@cache
def zipped(source: str) -> bytes:
    """A deployment package with one module, ``function``."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("function.py", textwrap.dedent(source))
    return packed.getvalue()


@pytest.fixture(scope="session")
def cloud(request, tmp_path_factory):
    patched = request.param == "patched"
    patches = request.config.getoption("patches") if patched else ()
    with LocalCloud.start(
        tmp_path_factory.mktemp(request.param), patches=patches, seed=7, stream_shard_records=500
    ) as local:
        yield CloudUnderTest(local, patched)
