"""The service's own resources: each has metadata under its own identifier, and all have one audience."""

from __future__ import annotations

import pytest

from service.oauth import metadata
from service.oauth.client_metadata import ClientDescription, to_client
from service.oauth.errors import InvalidTarget
from service.oauth.resources import own

ISSUERS = ["https://auth.example", "https://api.example/prod"]


@pytest.mark.parametrize("issuer", ISSUERS)
@pytest.mark.parametrize("path", own.PATHS)
def test_metadata_name_the_resource_whose_path_is_in_their_address(issuer, path):
    """RFC 9728 §3.3: a client compares `resource` with the identifier that it inserted the well-known segment into."""
    assert metadata.protected_resource(issuer, (), path)["resource"] == f"{issuer}{path}"
    address = metadata.protected_resource_address(issuer, path)
    assert address == f"{issuer}/.well-known/oauth-protected-resource{path}"
    assert f"{issuer}{path}" in metadata.authorization_server(issuer, ())["protected_resources"]


@pytest.mark.parametrize("issuer", ISSUERS)
def test_userinfo_is_one_of_them_and_is_named_as_the_metadata_of_the_server_do(issuer):
    assert metadata.authorization_server(issuer, ())["userinfo_endpoint"] in own.identifiers(issuer)


@pytest.mark.parametrize("issuer", ISSUERS)
def test_a_client_may_name_the_audience_by_each_of_them_and_with_a_slash(issuer):
    client = to_client("https://app.example/c", ClientDescription(None, ("https://app.example/cb",), None), (), issuer)
    for named in (*own.identifiers(issuer), f"{issuer}/", f"{issuer}/userinfo".replace("https", "HTTPS")):
        assert client.audience_for(named) == issuer
        assert client.names_audience(named, issuer)
    for other in (f"{issuer}/token", f"{issuer}/userinfo/x", f"{issuer}//"):
        with pytest.raises(InvalidTarget):
            client.audience_for(other)
        assert not client.names_audience(other, issuer)
