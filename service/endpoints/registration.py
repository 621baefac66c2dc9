"""The registration endpoint (RFC 7591 §3): a client's metadata in, its id out, for whoever shows the initial access token."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from service.answers import NOTHING_HERE, as_problem, json_answer
from service.oauth import client_metadata, registration
from service.oauth.errors import InvalidClientMetadata
from service.oauth.registration import ID_BYTES, SECRET_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.answers import Response
    from service.client_store import ClientStore
    from service.edge import Edge

MAX_BODY_CHARACTERS: Final = 16 * 1024


@dataclass(frozen=True)
class Registrar:
    """Who registers clients, and for whom. token_sha256: hex SHA-256 of the initial access token."""

    store: ClientStore
    token_sha256: str


@dataclass(frozen=True)
class RegistrationEndpoint:
    """Answers /register. Without a registrar nobody can register here, and there is nothing at the address."""

    edge: Edge
    registrar: Registrar | None
    entropy: Callable[[int], bytes]

    def answer(self) -> Response:
        """Return the new client. Raises Challenge, InvalidClientMetadata, InvalidRedirectUri, StoreUnavailable."""
        if self.registrar is None:
            return as_problem(NOTHING_HERE)
        registration.permit(self.edge.header("authorization"), self.registrar.token_sha256)
        described = client_metadata.of_registration(self._metadata())
        new = registration.register(described, self.entropy(ID_BYTES), self.entropy(SECRET_BYTES), self.edge.now())
        self.registrar.store.register(new.registered)
        return json_answer(HTTPStatus.CREATED, new.body(self.edge.settings.self_described.scopes))

    def _metadata(self) -> Any:
        content_type = self.edge.header("content-type") or ""
        body = self.edge.body()
        if content_type.partition(";")[0].strip().lower() != "application/json" or len(body) > MAX_BODY_CHARACTERS:
            raise InvalidClientMetadata(
                f"the metadata must be sent as application/json, in at most {MAX_BODY_CHARACTERS} characters"
            )
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise InvalidClientMetadata("the metadata is not JSON") from error
