"""Encoding of logins, codes, families and clients as items: pure translation, and the only module with attribute names.

There is one item for each object, with the partition key `pk` and no sort key:

    table        pk                                         object
    state        login#{digest of transaction}              Login
    state        code#{digest of code}                      Code
    state        client#{digest of client id}               CachedDocument: a client's metadata document
    tokens       family#{family id}                         Family
    tokens       client#{client id}                         Registered, or Managed, which the orchestrator writes
    tokens       epoch                                      the revocation epoch; absent means 0
    revocations  revoked#{family id}                        a family was revoked
    revocations  disowned#{family id}#{digest of client id} a client revoked a token of a family that did not exist

Keys of the synthetic identity are prefixed `synthetic#`. Every item has `schema`, its item schema version
(item_schema); `expires_at`, which decides; and `delete_at`, after which DynamoDB may delete the item (within 48
hours). A managed client has no end, and neither of the two. A version ignores unknown attributes: a schema grows by
adding attributes, and two adjacent versions read each other's items.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from service.clients.managed import Managed
from service.oauth import credentials, scopes
from service.oauth.client_metadata import CachedDocument, ClientDescription
from service.oauth.codes import Code
from service.oauth.families import Cause, Exchange, Family
from service.oauth.logins import Login, Outcome, Phase
from service.oauth.registration import Registered
from service.storage import item_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

EPOCH_KEY = "epoch"
_SYNTHETIC = "synthetic#"
_KEEP_SECONDS = 24 * 3600
"""How long an item is kept after its end, so that a late replay is still recognized."""
REVOCATION_LOG_SECONDS = 40 * 24 * 3600
"""Retention of the revocation log: longer than the restore window (35 days) plus the lifetime of a family (5 days)."""

Item: TypeAlias = dict[str, Any]
"""An item in DynamoDB's own notation: {"attribute": {"S": "text"}}."""


def primary_key(kind: str, digest: str, *, synthetic: bool) -> Item:
    """Return the primary key of a login, code, family or client."""
    return {"pk": {"S": f"{_SYNTHETIC if synthetic else ''}{kind}#{digest}"}}


def deletion_time(ends_at: int) -> Item:
    """Return the attribute `delete_at` of an item that ends at a time."""
    return number_attribute(ends_at + _KEEP_SECONDS)


def string_attribute(value: str) -> Item:
    """Return a string attribute."""
    return {"S": value}


def number_attribute(value: int) -> Item:
    """Return a number attribute."""
    return {"N": str(value)}


def encode_login(login: Login) -> Item:
    """Return the item of a new login."""
    return _item(
        primary_key("login", login.digest, synthetic=login.synthetic),
        login.expires_at,
        client_id=login.client_id,
        redirect_uri=login.redirect_uri,
        scope=scopes.format_scope(login.scope),
        audience=login.audience,
        state=login.state,
        openid_nonce=login.openid_nonce,
        code_challenge=login.code_challenge,
        browser=login.browser,
        phase=login.phase.value,
        polls=login.polls,
        polled_at=login.polled_at,
        epoch=login.epoch,
    )


def decode_login(digest: str, item: Mapping[str, Any], *, synthetic: bool) -> Login:
    """Return the login in an item."""
    outcome = _optional(item, "outcome", "S")
    return Login(
        digest=digest,
        synthetic=synthetic,
        client_id=item["client_id"]["S"],
        redirect_uri=item["redirect_uri"]["S"],
        scope=tuple(item["scope"]["S"].split()),
        audience=item["audience"]["S"],
        state=_optional(item, "state", "S"),
        code_challenge=item["code_challenge"]["S"],
        browser=item["browser"]["S"],
        epoch=int(item["epoch"]["N"]),
        expires_at=int(item["expires_at"]["N"]),
        phase=Phase(item["phase"]["S"]),
        platform=_optional(item, "platform", "S"),
        upstream=_octets(item, "upstream"),
        polls=int(item["polls"]["N"]),
        polled_at=int(item["polled_at"]["N"]),
        openid_nonce=_optional(item, "openid_nonce", "S"),
        outcome=Outcome(outcome) if outcome is not None else None,
        claimed_by=_optional(item, "claimed_by", "S"),
    )


def encode_code(code: Code) -> Item:
    """Return the item of a new code."""
    return _item(
        primary_key("code", code.digest, synthetic=code.synthetic),
        code.expires_at,
        client_id=code.client_id,
        redirect_uri=code.redirect_uri,
        scope=scopes.format_scope(code.scope),
        audience=code.audience,
        subject=code.subject,
        code_challenge=code.code_challenge,
        session=code.session,
        session_expires_at=code.session_expires_at,
        epoch=code.epoch,
        auth_time=code.auth_time,
        openid_nonce=code.openid_nonce,
    )


def decode_code(digest: str, item: Mapping[str, Any], *, synthetic: bool) -> Code:
    """Return the code in an item."""
    return Code(
        digest=digest,
        synthetic=synthetic,
        client_id=item["client_id"]["S"],
        redirect_uri=item["redirect_uri"]["S"],
        scope=tuple(item["scope"]["S"].split()),
        audience=item["audience"]["S"],
        subject=item["subject"]["S"],
        code_challenge=item["code_challenge"]["S"],
        session=_octets(item, "session"),
        session_expires_at=int(item["session_expires_at"]["N"]),
        epoch=int(item["epoch"]["N"]),
        expires_at=int(item["expires_at"]["N"]),
        redeemed_by=_optional(item, "redeemed_by", "S"),
        family=_optional(item, "family_id", "S"),
        auth_time=_optional_number(item, "auth_time"),
        openid_nonce=_optional(item, "openid_nonce", "S"),
        redeemed_at=_optional_number(item, "redeemed_at") or 0,
        unanswered=_optional(item, "unanswered", "S"),
    )


def encode_family(family: Family) -> Item:
    """Return the item of a new family."""
    return _item(
        primary_key("family", family.family_id, synthetic=family.synthetic),
        family.expires_at,
        client_id=family.client_id,
        scope=scopes.format_scope(family.scope),
        audience=family.audience,
        subject=family.subject,
        session=family.session,
        epoch=family.epoch,
        generation=family.generation,
        refresh_hash=family.refresh_hash,
        rotated_by=family.rotated_by,
        auth_time=family.auth_time,
    )


def decode_family(family_id: str, item: Mapping[str, Any], *, synthetic: bool) -> Family:
    """Return the family in an item."""
    cause = _optional(item, "revoked_because", "S")
    return Family(
        family_id=family_id,
        synthetic=synthetic,
        client_id=item["client_id"]["S"],
        scope=tuple(item["scope"]["S"].split()),
        audience=item["audience"]["S"],
        subject=item["subject"]["S"],
        session=_octets(item, "session"),
        epoch=int(item["epoch"]["N"]),
        generation=int(item["generation"]["N"]),
        refresh_hash=item["refresh_hash"]["S"],
        rotated_by=item["rotated_by"]["S"],
        expires_at=int(item["expires_at"]["N"]),
        revoked_because=Cause(cause) if cause is not None else None,
        auth_time=_optional_number(item, "auth_time"),
        exchange=_exchange(item),
    )


def _exchange(item: Mapping[str, Any]) -> Exchange | None:
    if "exchanged_by" not in item:
        return None
    return Exchange(
        refresh_hash=item["exchanged_hash"]["S"],
        at=int(item["exchanged_at"]["N"]),
        by=item["exchanged_by"]["S"],
        unanswered=_optional(item, "unanswered", "S"),
    )


def document_key(client_id: str) -> Item:
    """Return the primary key of a client's cached document."""
    return primary_key("client", credentials.digest(client_id), synthetic=False)


def encode_document(client_id: str, document: CachedDocument) -> Item:
    """Return the item of a client's cached document."""
    return _item(
        document_key(client_id),
        document.expires_at,
        client_id=client_id,
        fresh_until=document.fresh_until,
        **_description(document.description),
    )


def decode_document(item: Mapping[str, Any]) -> CachedDocument:
    """Return the cached document in an item."""
    return CachedDocument(_to_description(item), int(item["fresh_until"]["N"]), int(item["expires_at"]["N"]))


def encode_registered(registered: Registered) -> Item:
    """Return the item of a new registered client."""
    return _item(
        primary_key("client", registered.client_id, synthetic=False),
        registered.expires_at,
        client_id=registered.client_id,
        secret_sha256=registered.secret_sha256,
        registered_at=registered.registered_at,
        **_description(registered.description),
    )


def decode_registered(item: Mapping[str, Any]) -> Registered:
    """Return the registered client in an item."""
    return Registered(
        client_id=item["client_id"]["S"],
        description=_to_description(item),
        secret_sha256=_optional(item, "secret_sha256", "S"),
        registered_at=int(item["registered_at"]["N"]),
        expires_at=int(item["expires_at"]["N"]),
    )


def decode_managed(item: Mapping[str, Any]) -> Managed:
    """Return the managed client in an item (orchestrator/aws/oauth_tables/managed_clients.py writes it).

    Raises KeyError, TypeError or ValueError for an invalid item.
    """
    return Managed(
        client_id=item["client_id"]["S"],
        name=item["client_name"]["S"],
        redirect_uris=_texts(item, "redirect_uris"),
        scopes=tuple(item["scope"]["S"].split()),
        resources=_texts(item, "resources"),
        secret_sha256=_optional(item, "secret_sha256", "S"),
        earlier_secret_sha256=_optional(item, "earlier_secret_sha256", "S"),
        earlier_secret_until=_optional_number(item, "earlier_secret_until") or 0,
        disabled="disabled_at" in item,
    )


def encode_revocation(family_id: str, cause: Cause, now: int, *, synthetic: bool) -> Item:
    """Return the log entry of a revoked family."""
    return _item(
        primary_key("revoked", family_id, synthetic=synthetic),
        now + REVOCATION_LOG_SECONDS,
        cause=cause.value,
        revoked_at=now,
    )


def encode_disowned_token(family_id: str, client_id: str, now: int) -> Item:
    """Return the log entry of a token that a client revoked, of a family that does not exist."""
    return _item(
        primary_key("disowned", f"{family_id}#{credentials.digest(client_id)}", synthetic=False),
        now + REVOCATION_LOG_SECONDS,
        revoked_at=now,
    )


def decode_epoch(item: Mapping[str, Any] | None) -> int:
    """Return the revocation epoch; 0 without an item, in an environment that was never restored."""
    return int(item["epoch"]["N"]) if item is not None else 0


def decode_closing(item: Mapping[str, Any] | None) -> tuple[float, float]:
    """Return from when until when the tables take no writes, in epoch seconds, by the item of the epoch; (0, 0) for never.

    A failback closes the tables that it leaves for a moment (docs/adr/0083-a-failback-closes-writes-by-a-lease.md).
    """
    if item is None or "closes_at" not in item:
        return 0.0, 0.0
    return float(item["closes_at"]["N"]), float(item["opens_at"]["N"])


def _description(description: ClientDescription) -> dict[str, str | None]:
    return {
        "client_name": description.name,
        "redirect_uris": json.dumps(description.redirect_uris, allow_nan=False),
        "wanted_scope": None if description.scope is None else scopes.format_scope(description.scope),
        "authentication": description.authentication,
    }


def _to_description(item: Mapping[str, Any]) -> ClientDescription:
    requested = _optional(item, "wanted_scope", "S")
    return ClientDescription(
        name=_optional(item, "client_name", "S"),
        redirect_uris=tuple(json.loads(item["redirect_uris"]["S"])),
        scope=None if requested is None else tuple(requested.split()),
        authentication=item["authentication"]["S"],
    )


def _texts(item: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the texts in an attribute, a JSON array. Raises ValueError for other JSON, and for text that is not JSON."""
    try:
        values = json.loads(item[name]["S"])
    except RecursionError as error:
        raise ValueError(f"{name} is nested too deeply") from error
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{name} must be an array of texts")
    return tuple(values)


def _item(primary_key: Item, expires_at: int, **attributes: str | int | bytes | None) -> Item:
    item = {
        **primary_key,
        "schema": number_attribute(item_schema.WRITES),
        "expires_at": number_attribute(expires_at),
        "delete_at": deletion_time(expires_at),
    }
    for name, value in attributes.items():
        if isinstance(value, str):
            item[name] = string_attribute(value)
        elif isinstance(value, int):
            item[name] = number_attribute(value)
        elif value is not None:
            item[name] = {"B": value}
    return item


def _optional(item: Mapping[str, Any], name: str, notation: str) -> str | None:
    return item[name][notation] if name in item else None


def _optional_number(item: Mapping[str, Any], name: str) -> int | None:
    return int(item[name]["N"]) if name in item else None


def _octets(item: Mapping[str, Any], name: str) -> bytes | None:
    return bytes(item[name]["B"]) if name in item else None
