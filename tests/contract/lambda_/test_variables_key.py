"""Environment variables under a customer managed key.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
"""

import json

import pytest

from tests.contract.iam.test_request_context import ANSWER, TRUST, acting, denied, enforced  # noqa: F401 - a fixture
from tests.contract.keys import customer_key, disable, through

RIGHTS = {"Action": ["lambda:*", "iam:PassRole"], "Resource": "*"}
VARIABLES = {"TABLE": "tokens"}


def function(cloud, kms_key):
    role = cloud.client("iam").create_role(RoleName=cloud.name("role"), AssumeRolePolicyDocument=json.dumps(TRUST))
    settings = {"KMSKeyArn": kms_key, "Environment": {"Variables": VARIABLES}}
    return cloud.function(ANSWER, Role=role["Role"]["Arn"], **settings)


def environments(client, name):
    """What every operation that describes the function says of its variables."""
    versions = client.list_versions_by_function(FunctionName=name)["Versions"]
    return [
        client.get_function_configuration(FunctionName=name)["Environment"],
        client.get_function(FunctionName=name)["Configuration"]["Environment"],
        *(version["Environment"] for version in versions),
    ]


def test_variables_are_shown_to_whom_the_key_allows_to_decrypt(enforced):  # noqa: F811
    kms_key = customer_key(enforced)
    name = function(enforced, kms_key)
    arn = enforced.client("lambda").get_function_configuration(FunctionName=name)["FunctionArn"]
    right = through(enforced, "lambda", kms_key, "Decrypt")
    right["Condition"]["StringEquals"]["kms:EncryptionContext:aws:lambda:FunctionArn"] = arn
    reader, blind = acting(enforced, "lambda", RIGHTS, right), acting(enforced, "lambda", RIGHTS)
    assert all(one == {"Variables": VARIABLES} for one in environments(reader, name))
    for environment in environments(blind, name):
        assert "Variables" not in environment
        assert environment["Error"]["ErrorCode"] == "AccessDeniedException"
        assert "kms:Decrypt" in environment["Error"]["Message"]


@pytest.mark.parametrize("missing", ["Encrypt", "CreateGrant"])
def test_a_role_that_changes_variables_needs_the_right_to_encrypt(enforced, missing):  # noqa: F811
    kms_key = customer_key(enforced)
    name, rights = function(enforced, kms_key), {"Encrypt", "CreateGrant", "Decrypt"}
    change = {"FunctionName": name, "Environment": {"Variables": {"TABLE": "restored"}}}
    writer = acting(enforced, "lambda", RIGHTS, through(enforced, "lambda", kms_key, *rights))
    lacking = acting(enforced, "lambda", RIGHTS, through(enforced, "lambda", kms_key, *(rights - {missing})))
    assert f"kms:{missing}" in denied(lacking.update_function_configuration, **change)
    assert lacking.update_function_configuration(FunctionName=name, Description="other")["Description"] == "other"
    assert writer.update_function_configuration(**change)["Environment"]["Variables"] == {"TABLE": "restored"}


def test_variables_whose_key_is_disabled_are_shown_to_no_caller(cloud):
    kms_key = customer_key(cloud)
    name = cloud.function(ANSWER, KMSKeyArn=kms_key, Environment={"Variables": VARIABLES})
    client = cloud.client("lambda")
    assert client.get_function_configuration(FunctionName=name)["Environment"] == {"Variables": VARIABLES}
    disable(cloud, kms_key)
    shown = client.get_function_configuration(FunctionName=name)["Environment"]
    assert shown["Error"]["ErrorCode"] == "DisabledException"
    assert "Variables" not in shown
