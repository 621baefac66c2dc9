"""The registration endpoint (RFC 7591 §3): registers a client, on presentation of the initial access token."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from service.http.responses import json_response
from service.oauth import client_metadata, registration
from service.oauth.errors import InvalidClientMetadata
from service.oauth.registration import ID_BYTES, SECRET_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.http.app import HttpFunction
    from service.http.responses import Response
    from service.storage.clients import ClientStore

MAX_BODY_CHARACTERS: Final = 16 * 1024


@dataclass(frozen=True)
class Registrar:
    """The store of registrations and the required authorization. token_sha256: SHA-256 (hex) of the access token."""

    store: ClientStore
    token_sha256: str


@dataclass(frozen=True)
class RegistrationEndpoint:
    """Handles /register."""

    function: HttpFunction
    registrar: Registrar
    entropy: Callable[[int], bytes]

    def respond(self) -> Response:
        """Return the new client. Raises Challenge, InvalidClientMetadata, InvalidRedirectUri, StoreUnavailable."""
        registration.check_initial_access_token(self.function.header("authorization"), self.registrar.token_sha256)
        description = client_metadata.parse_registration(self._metadata())
        now = self.function.now()
        new = registration.register(description, self.entropy(ID_BYTES), self.entropy(SECRET_BYTES), now)
        self.registrar.store.store_registration(new.registered)
        return json_response(HTTPStatus.CREATED, new.response_body(self.function.settings.self_described.scopes))

    def _metadata(self) -> Any:
        content_type = self.function.header("content-type") or ""
        body = self.function.body()
        if content_type.partition(";")[0].strip().lower() != "application/json" or len(body) > MAX_BODY_CHARACTERS:
            raise InvalidClientMetadata(
                f"the metadata must be sent as application/json, in at most {MAX_BODY_CHARACTERS} characters"
            )
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise InvalidClientMetadata("the metadata is not JSON") from error
