"""Authlib's OpenID Connect client, which Flask, Django and Starlette applications have, without a framework around it."""

from __future__ import annotations

from typing import Any

from authlib.integrations.base_client import BaseApp, OAuth2Mixin, OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from requests.adapters import BaseAdapter


class OpenIDClient(OAuth2Mixin, OpenIDMixin, BaseApp):
    """A client that knows the issuer. What it finds by itself: endpoints, keys, and the algorithm of ID tokens."""

    client_cls = OAuth2Session

    def __init__(self, issuer: str, client_id: str, secret: str | None = None, adapter: BaseAdapter | None = None):
        """adapter: sends what is for the issuer; by default the network does."""
        super().__init__(
            framework=None,
            client_id=client_id,
            client_secret=secret,
            client_kwargs={
                "scope": "openid profile email",
                "code_challenge_method": "S256",
                **({} if secret else {"token_endpoint_auth_method": "none"}),
            },
            server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        )
        self._issuer, self._adapter = issuer, adapter

    def _get_session(self) -> OAuth2Session:
        return self._mounted(super()._get_session())

    def _get_oauth_client(self, **metadata: Any) -> OAuth2Session:
        return self._mounted(super()._get_oauth_client(**metadata))

    def _mounted(self, session: OAuth2Session) -> OAuth2Session:
        if self._adapter is not None:
            session.mount(self._issuer, self._adapter)
        return session
