"""Key policies, grants and KMS's condition keys, where policies are enforced."""

import pytest

from orchestrator.local.cloud import ACCOUNT
from tests.contract.iam.test_request_context import acting, denied, enforced  # noqa: F401 - a fixture
from tests.contract.keys import customer_key

CONTEXT = {"environment": "local"}
NOTHING = {"Action": "sts:GetCallerIdentity", "Resource": "*"}


def role_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def grantee(cloud, key, **grant):
    """A client of a role without any right, and of a grant."""
    name = cloud.name("grantee")
    client = acting(cloud, "kms", NOTHING, name=name)
    cloud.client("kms").create_grant(KeyId=key, GranteePrincipal=role_arn(name), **grant)
    return client


def test_a_grant_allows_its_grantee_its_operations(enforced):  # noqa: F811
    key = customer_key(enforced)
    client = grantee(enforced, key, Operations=["Encrypt", "Decrypt"])
    blob = client.encrypt(KeyId=key, Plaintext=b"text")["CiphertextBlob"]
    assert client.decrypt(CiphertextBlob=blob)["Plaintext"] == b"text"
    assert "kms:GenerateDataKey" in denied(client.generate_data_key, KeyId=key, KeySpec="AES_256")


@pytest.mark.parametrize(
    ("constraint", "context", "allowed"),
    [
        ("EncryptionContextSubset", {**CONTEXT, "more": "x"}, True),
        ("EncryptionContextSubset", {}, False),
        ("EncryptionContextEquals", CONTEXT, True),
        ("EncryptionContextEquals", {**CONTEXT, "more": "x"}, False),
    ],
)
def test_a_constraint_limits_a_grant_to_its_encryption_context(enforced, constraint, context, allowed):  # noqa: F811
    key = customer_key(enforced)
    client = grantee(enforced, key, Operations=["Encrypt"], Constraints={constraint: CONTEXT})
    other = grantee(enforced, key, Operations=["Encrypt"])
    request = {"KeyId": key, "Plaintext": b"text", "EncryptionContext": context}
    assert other.encrypt(**request)
    if allowed:
        assert client.encrypt(**request)
    else:
        assert "kms:Encrypt" in denied(client.encrypt, **request)


def test_a_deny_of_the_key_policy_overrides_a_grant_and_a_revoked_grant_allows_nothing(enforced):  # noqa: F811
    names = [enforced.name("denied"), enforced.name("revoked")]
    fenced = {"Effect": "Deny", "Principal": "*", "Action": "kms:Encrypt"}
    fenced["Condition"] = {"ArnEquals": {"aws:PrincipalArn": role_arn(names[0])}}
    key = customer_key(enforced, fenced)
    kms = enforced.client("kms")
    clients, grants = [], []
    for name in names:
        clients.append(acting(enforced, "kms", NOTHING, name=name))
        request = {"KeyId": key, "GranteePrincipal": role_arn(name), "Operations": ["Encrypt"]}
        grants.append(kms.create_grant(**request)["GrantId"])
    assert "kms:Encrypt" in denied(clients[0].encrypt, KeyId=key, Plaintext=b"text")
    assert clients[1].encrypt(KeyId=key, Plaintext=b"text")
    kms.revoke_grant(KeyId=key, GrantId=grants[1])
    assert "kms:Encrypt" in denied(clients[1].encrypt, KeyId=key, Plaintext=b"text")


def test_a_request_has_the_condition_keys_of_kms(enforced):  # noqa: F811
    key = customer_key(enforced)
    own = {"StringEquals": {"kms:CallerAccount": ACCOUNT}}
    named = {"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["environment"]}}
    for condition in (own, {**own, **named}):
        client = acting(enforced, "kms", {"Action": "kms:Encrypt", "Resource": key, "Condition": condition})
        assert client.encrypt(KeyId=key, Plaintext=b"text", EncryptionContext=CONTEXT)
    assert "kms:Encrypt" in denied(client.encrypt, KeyId=key, Plaintext=b"text", EncryptionContext={"else": "x"})
    direct = {
        "Action": "kms:CreateGrant",
        "Resource": key,
        "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
    }
    request = {"KeyId": key, "GranteePrincipal": role_arn("someone"), "Operations": ["Decrypt"]}
    assert "kms:CreateGrant" in denied(acting(enforced, "kms", direct).create_grant, **request)


def test_a_key_that_is_named_by_its_alias_is_authorized_itself(enforced):  # noqa: F811
    key, alias = customer_key(enforced), f"alias/{enforced.name('alias')}"
    enforced.client("kms").create_alias(AliasName=alias, TargetKeyId=key)
    assert acting(enforced, "kms", {"Action": "kms:Encrypt", "Resource": key}).encrypt(KeyId=alias, Plaintext=b"text")


@pytest.mark.both
def test_a_deny_of_the_key_policy_overrides_every_other_policy(enforced):  # noqa: F811
    fenced = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt"}
    fenced["Condition"] = {"ArnNotEquals": {"aws:PrincipalArn": role_arn("another")}}
    key = customer_key(enforced, fenced)
    client = acting(enforced, "kms", {"Action": "kms:*", "Resource": "*"})
    blob = client.encrypt(KeyId=key, Plaintext=b"text")["CiphertextBlob"]
    assert "kms:Decrypt" in denied(client.decrypt, CiphertextBlob=blob)
