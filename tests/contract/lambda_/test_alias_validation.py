"""What PublishVersion, CreateAlias and UpdateAlias refuse, keep and hand to one winner.

https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html
https://docs.aws.amazon.com/lambda/latest/api/API_UpdateAlias.html
https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

ONE = "def handler(event, context): return 1"
TWO = "def handler(event, context): return 2"


@contextmanager
def refused(code, status):
    """AWS refuses what happens inside with this error."""
    answer = None
    try:
        yield
    except ClientError as error:
        answer = error.response
    assert answer is not None, "it was accepted"
    assert answer["Error"]["Code"] == code
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.fixture
def lambdas(cloud):
    return cloud.client("lambda")


@pytest.fixture
def function(cloud):
    return cloud.function(ONE)


@pytest.fixture
def versions(cloud, function):
    return cloud.versions(function, ONE + "  # first", TWO)


@pytest.fixture
def live(lambdas, function, versions):
    lambdas.create_alias(FunctionName=function, Name="live", FunctionVersion=versions[0], Description="as made")
    return {"FunctionName": function, "Name": "live"}


def weights(version, weight=0.1):
    return {"AdditionalVersionWeights": {version: weight}}


def test_publish_refuses_another_code_digest(lambdas, function):
    with refused("InvalidParameterValueException", 400):
        lambdas.publish_version(FunctionName=function, CodeSha256="bm90IHRoZSBjb2RlIHRoYXQgaXMgdGhlcmU=")


def test_publish_refuses_another_revision(cloud, lambdas, function):
    seen = lambdas.get_function_configuration(FunctionName=function)["RevisionId"]
    cloud.change(function, TWO)
    with refused("PreconditionFailedException", 412):
        lambdas.publish_version(FunctionName=function, RevisionId=seen)


@pytest.mark.both
def test_publish_accepts_the_digest_and_revision_that_are_there(lambdas, function):
    latest = lambdas.get_function_configuration(FunctionName=function)
    guards = {name: latest[name] for name in ("CodeSha256", "RevisionId")}
    published = lambdas.publish_version(FunctionName=function, **guards)
    assert published["CodeSha256"] == latest["CodeSha256"]
    assert published["Version"] == "1"


@pytest.mark.both
def test_publishing_again_without_a_change_gives_the_version_that_is_there(lambdas, function):
    first = lambdas.publish_version(FunctionName=function)["Version"]
    assert lambdas.publish_version(FunctionName=function)["Version"] == first


def test_uploading_the_same_code_again_is_no_change(cloud, lambdas, function):
    first = lambdas.publish_version(FunctionName=function)["Version"]
    cloud.change(function, ONE)
    assert lambdas.publish_version(FunctionName=function)["Version"] == first


@pytest.mark.both
@pytest.mark.parametrize("change", [{"MemorySize": 256}, {"Environment": {"Variables": {"A": "1"}}}])
def test_a_change_of_configuration_makes_a_version(lambdas, function, change):
    first = lambdas.publish_version(FunctionName=function)["Version"]
    lambdas.update_function_configuration(FunctionName=function, **change)
    lambdas.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 0.05})
    assert lambdas.publish_version(FunctionName=function)["Version"] != first


def test_an_alias_is_not_made_for_a_version_that_is_not_there(lambdas, function):
    with refused("ResourceNotFoundException", 404):
        lambdas.create_alias(FunctionName=function, Name="live", FunctionVersion="99")


def test_an_alias_is_not_moved_to_a_version_that_is_not_there(lambdas, live, versions):
    with refused("ResourceNotFoundException", 404):
        lambdas.update_alias(**live, FunctionVersion="99")
    with refused("ResourceNotFoundException", 404):
        lambdas.update_alias(**live, RoutingConfig=weights("99"))
    assert lambdas.get_alias(**live)["FunctionVersion"] == versions[0]


@pytest.mark.parametrize("weight", [-0.1, 1.1])
def test_a_weight_outside_nought_to_one_is_refused(cloud, live, versions, weight):
    lambdas = cloud.client("lambda", parameter_validation=False)  # boto3 itself refuses one of them
    with refused("ValidationException", 400):
        lambdas.update_alias(**live, RoutingConfig=weights(versions[1], weight))


def test_a_weighted_alias_has_no_unpublished_code_on_either_side(lambdas, live, versions):
    with refused("ValidationException", 400):  # its name is no key of the weights
        lambdas.update_alias(**live, RoutingConfig=weights("$LATEST"))
    with refused("InvalidParameterValueException", 400):
        lambdas.update_alias(**live, FunctionVersion="$LATEST", RoutingConfig=weights(versions[1]))


def test_an_alias_is_not_named_by_digits(lambdas, function, versions):
    with refused("ValidationException", 400):
        lambdas.create_alias(FunctionName=function, Name="2024", FunctionVersion=versions[0])


def test_deleting_an_alias_that_is_not_there_is_no_error(lambdas, function):
    assert lambdas.delete_alias(FunctionName=function, Name="gone")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_a_weighted_alias_has_two_versions_and_not_the_same_one_twice(lambdas, cloud, live, versions):
    third = cloud.versions(live["FunctionName"], ONE + "  # third")[0]
    with refused("InvalidParameterValueException", 400):
        lambdas.update_alias(**live, RoutingConfig=weights(versions[0]))
    with refused("InvalidParameterValueException", 400):
        lambdas.update_alias(**live, RoutingConfig={"AdditionalVersionWeights": {versions[1]: 0.1, third: 0.1}})


@pytest.mark.parametrize(
    "difference",
    [
        {"Role": "arn:aws:iam::000000000000:role/another"},
        {"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-west-1:000000000000:dead-letters"}},
    ],
    ids=["role", "dead-letter target"],
)
def test_versions_of_a_weighted_alias_have_one_role_and_one_dead_letter_target(cloud, lambdas, live, difference):
    lambdas.update_function_configuration(FunctionName=live["FunctionName"], **difference)
    lambdas.get_waiter("function_updated_v2").wait(FunctionName=live["FunctionName"], WaiterConfig={"Delay": 0.05})
    other = lambdas.publish_version(FunctionName=live["FunctionName"])["Version"]
    with refused("InvalidParameterValueException", 400):
        lambdas.update_alias(**live, RoutingConfig=weights(other))
    assert lambdas.update_alias(**live, FunctionVersion=other)["FunctionVersion"] == other


@pytest.mark.both
def test_an_update_keeps_what_it_omits(lambdas, live, versions):
    lambdas.update_alias(**live, RoutingConfig=weights(versions[1], 0.25))
    lambdas.update_alias(**live, Description="noted")
    assert lambdas.get_alias(**live)["RoutingConfig"] == weights(versions[1], 0.25)
    lambdas.update_alias(**live, RoutingConfig={"AdditionalVersionWeights": {}})
    alias = lambdas.get_alias(**live)
    assert (alias["Description"], alias["FunctionVersion"]) == ("noted", versions[0])
    assert not alias.get("RoutingConfig")


@pytest.mark.both
def test_every_update_gives_the_alias_a_new_revision_and_refuses_the_one_before(lambdas, live):
    first = lambdas.get_alias(**live)["RevisionId"]
    second = lambdas.update_alias(**live, Description="same", RevisionId=first)["RevisionId"]
    assert second != first
    assert lambdas.update_alias(**live, Description="same", RevisionId=second)["RevisionId"] != second
    with refused("PreconditionFailedException", 412):
        lambdas.update_alias(**live, Description="late", RevisionId=first)
    assert lambdas.get_alias(**live)["Description"] == "same"


@pytest.mark.both
def test_parallel_updates_with_the_same_revision_have_one_winner(lambdas, live):
    def update(writer):
        try:
            lambdas.update_alias(**live, Description=f"by {writer}", RevisionId=revision)
        except lambdas.exceptions.PreconditionFailedException:
            return None
        return f"by {writer}"

    with ThreadPoolExecutor(8) as writers:
        for _ in range(10):
            revision = lambdas.get_alias(**live)["RevisionId"]
            winners = [winner for winner in writers.map(update, range(8)) if winner]
            assert [lambdas.get_alias(**live)["Description"]] == winners
