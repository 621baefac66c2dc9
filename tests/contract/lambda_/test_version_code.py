"""GetFunction gives the package of the version that was asked for, also where `$LATEST` is something else by now.

https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html
"""

from __future__ import annotations

import base64
import hashlib
from urllib.request import urlopen

import pytest

FIRST = "def handler(event, context): return 1"
SECOND = "def handler(event, context): return 2"


@pytest.fixture
def function(cloud):
    """Version 1 is FIRST and `live`; `$LATEST` is SECOND."""
    name = cloud.function(FIRST)
    cloud.client("lambda").publish_version(FunctionName=name)
    cloud.client("lambda").create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    cloud.change(name, SECOND)
    return name


def digests(cloud, function, qualifier):
    """The digest of the package behind the link, and the one that Lambda names."""
    found = cloud.client("lambda").get_function(FunctionName=function, Qualifier=qualifier)
    with urlopen(found["Code"]["Location"]) as answer:
        package = answer.read()
    return base64.b64encode(hashlib.sha256(package).digest()).decode(), found["Configuration"]["CodeSha256"]


@pytest.mark.parametrize("qualifier", ["1", "live"])
def test_a_version_and_its_alias_give_the_versions_package(cloud, function, qualifier):
    package, named = digests(cloud, function, qualifier)
    assert package == named


@pytest.mark.both
def test_the_latest_code_gives_its_own(cloud, function):
    package, named = digests(cloud, function, "$LATEST")
    assert package == named


@pytest.mark.both
def test_the_two_are_not_the_same(cloud, function):
    assert digests(cloud, function, "1")[1] != digests(cloud, function, "$LATEST")[1]
