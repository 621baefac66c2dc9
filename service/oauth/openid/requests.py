"""The parameters and scopes that OpenID Connect adds to an authorization request (Core 1.0 §3.1.2.1, §11).

Every client may request `openid`, without configuration: it gives nothing but the subject, which access tokens have
too. Without `openid` a request is plain OAuth, and parameters of OpenID Connect have no meaning (RFC 6749 §3.1), except
`prompt=none`, after which a page in a hidden frame would wait for a user.

Each authorization request leads to a new login at the identity provider, after consent. Therefore every `max_age` and
every `prompt` except `none` is met. `ui_locales`, `claims_locales`, `display`, `acr_values`, `login_hint` and `claims`
are hints, and are ignored as the specification allows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from service.oauth import scopes
from service.oauth.errors import InvalidRequest, LoginRequired, RegistrationNotSupported

if TYPE_CHECKING:
    from service.oauth.parameters import Parameters
    from service.oauth.scopes import Scope

OPENID: Final = "openid"
PROMPTS: Final = ("none", "login", "consent", "select_account")
MAX_NONCE_CHARACTERS: Final = 512

_NO_EFFECT: Final = frozenset({"offline_access", "address", "phone"})
"""Scopes of the specification that give nothing here: refresh tokens are always issued, and there are no such claims.
Many clients request them always, so they are ignored and not refused (§3.1.2.1, §11)."""
_SECONDS = re.compile(r"[0-9]{1,9}")


def narrow_scope(requested: str | None, allowed: Scope) -> Scope:
    """Return the scope of an authorization request; `allowed` is the client's. Raises InvalidScope.

    Without a requested scope it is what the client is allowed, and thus no OpenID request unless that has `openid`.
    """
    if requested is None:
        return allowed
    words = scopes.parse(requested)
    if OPENID in words:
        allowed = tuple(dict.fromkeys((OPENID, *allowed)))
        words = tuple(word for word in words if word in allowed or word not in _NO_EFFECT)
    return scopes.narrow(scopes.format_scope(words), allowed)


def parse_nonce(parameters: Parameters, scope: Scope) -> str | None:
    """Return the nonce of an OpenID request; None if it has none, or is not one.

    Raises LoginRequired for `prompt=none`, InvalidRequest and RegistrationNotSupported for what cannot be met.
    """
    prompts = frozenset(filter(None, (parameters.optional("prompt") or "").split(" ")))
    if OPENID in scope:
        _check_supported(parameters, prompts)
    if "none" in prompts:
        raise LoginRequired("prompt is none, and every login here needs the user")
    if OPENID not in scope:
        return None
    nonce = parameters.optional("nonce")
    if nonce is not None and len(nonce) > MAX_NONCE_CHARACTERS:
        raise InvalidRequest(f"nonce must have at most {MAX_NONCE_CHARACTERS} characters")
    return nonce


def _check_supported(parameters: Parameters, prompts: frozenset[str]) -> None:
    if not prompts <= set(PROMPTS):
        raise InvalidRequest(f"prompt must be of {', '.join(PROMPTS)}")
    if "none" in prompts and len(prompts) > 1:
        raise InvalidRequest("prompt must not combine none with another value")
    max_age = parameters.optional("max_age")
    if max_age is not None and not _SECONDS.fullmatch(max_age):
        raise InvalidRequest("max_age must be a whole number of seconds")
    # To ignore a hint could log in another user than the one that it names (§3.1.2.1).
    if parameters.optional("id_token_hint") is not None:
        raise InvalidRequest("id_token_hint is not supported: leave it out")
    if parameters.optional("registration") is not None:
        raise RegistrationNotSupported("the parameter registration is not supported: register at the endpoint")
