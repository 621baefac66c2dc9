"""The members of client metadata that OpenID Connect adds (Dynamic Client Registration 1.0 §2).

A member that this service meets for every client is accepted in that one value and refused in any other, so that a
client does not learn only from a failed login that it gets something else. A member that asks for something which does
not exist here is refused. All other members are ignored, as RFC 7591 §2 requires.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from service.oauth import tokens
from service.oauth.errors import InvalidClientMetadata

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBJECT_TYPE: Final = "public"
CLIENT_FIELDS: Final[Mapping[str, str]] = {
    "id_token_signed_response_alg": tokens.ALGORITHM,
    "subject_type": SUBJECT_TYPE,
}
"""What holds for every client, as a registration's response reports it."""

_ACCEPTED: Final[Mapping[str, tuple[str, ...]]] = {
    **{name: (value,) for name, value in CLIENT_FIELDS.items()},
    "application_type": ("web", "native"),
}
_NOT_SUPPORTED: Final = (
    "id_token_encrypted_response_alg",
    "id_token_encrypted_response_enc",
    "request_object_encryption_alg",
    "request_object_encryption_enc",
    "request_object_signing_alg",
    "sector_identifier_uri",
    "userinfo_encrypted_response_alg",
    "userinfo_encrypted_response_enc",
    "userinfo_signed_response_alg",
)
_MAX_AGE: Final = "default_max_age"
_AUTH_TIME: Final = "require_auth_time"


def check_members(members: Mapping[str, Any]) -> None:
    """Raise InvalidClientMetadata, naming the member, for what this service does not do. A null counts as missing.

    `application_type` changes nothing: each redirect URI is checked by itself, for every client.
    """
    for name, values in _ACCEPTED.items():
        if members.get(name) is not None and members[name] not in values:
            raise InvalidClientMetadata(f"{name} must be {' or '.join(values)}")
    for name in _NOT_SUPPORTED:
        if members.get(name) is not None:
            raise InvalidClientMetadata(f"{name} is not supported: leave it out")
    age = members.get(_MAX_AGE)
    if age is not None and (not isinstance(age, int) or isinstance(age, bool) or age < 0):
        raise InvalidClientMetadata(f"{_MAX_AGE} must be a whole number of seconds")
    if members.get(_AUTH_TIME) is not None and not isinstance(members[_AUTH_TIME], bool):
        raise InvalidClientMetadata(f"{_AUTH_TIME} must be true or false")
