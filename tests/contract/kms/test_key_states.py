"""What the state of a key forbids, besides cryptographic operations."""

import pytest
from botocore.exceptions import ClientError

from tests.contract.keys import customer_key, delete_later, disable

SIGNING = {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}


def refusal(call, **request):
    with pytest.raises(ClientError) as refused:
        call(**request)
    return refused.value.response["Error"]["Code"]


def test_the_public_key_of_a_key_that_cannot_be_used_cannot_be_read(cloud):
    kms, key = cloud.client("kms"), customer_key(cloud, **SIGNING)
    assert kms.get_public_key(KeyId=key)["PublicKey"]
    disable(cloud, key)
    assert refusal(kms.get_public_key, KeyId=key) == "DisabledException"
    delete_later(cloud, key)
    assert refusal(kms.get_public_key, KeyId=key) == "KMSInvalidStateException"


def test_the_deletion_of_a_key_is_cancelled_before_it_is_enabled(cloud):
    kms, key = cloud.client("kms"), customer_key(cloud)
    delete_later(cloud, key)
    assert refusal(kms.enable_key, KeyId=key) == "KMSInvalidStateException"
    assert refusal(kms.disable_key, KeyId=key) == "KMSInvalidStateException"
    kms.cancel_key_deletion(KeyId=key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
    kms.enable_key(KeyId=key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"


def test_only_a_deletion_that_is_scheduled_can_be_cancelled(cloud):
    key = customer_key(cloud)
    assert refusal(cloud.client("kms").cancel_key_deletion, KeyId=key) == "KMSInvalidStateException"
