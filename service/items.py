"""How codes, families and logins stand in the tables: pure translation, and the only place that knows attribute names.

One item a thing, partition key `pk`, no sort key:

    table   pk                              thing
    state   login#{digest of transaction}   Login
    state   code#{digest of code}           Code
    state   client#{digest of client id}    Kept: what a client's document said
    tokens  family#{family id}              Family
    tokens  client#{client id}              Registered
    tokens  epoch                           the revocation epoch; absent means 0
    revocations  revoked#{family id}        that a family was revoked
    revocations  disowned#{family id}#{digest of client id}     that a client gave up a token of a family that was not there

The synthetic identity's keys are prefixed `synthetic#`. Every item carries `schema`, its layout (item_layouts), `expires_at`,
which decides, and `delete_at`, which only tells DynamoDB when it may clean up (it takes up to 48 hours over it). Attributes that
a version does not know are left alone by it: a layout grows by adding, and two adjacent versions read each other's items.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from service import item_layouts
from service.oauth import credentials, scopes
from service.oauth.client_metadata import Description, Kept
from service.oauth.codes import Code
from service.oauth.families import Cause, Family
from service.oauth.logins import Login, Phase
from service.oauth.registration import Registered

if TYPE_CHECKING:
    from collections.abc import Mapping

EPOCH_KEY = "epoch"
_SYNTHETIC = "synthetic#"
_KEEP_SECONDS = 24 * 3600
"""How long a thing is kept after its end, so that a late replay of it is still recognised."""
LOGGED_SECONDS = 40 * 24 * 3600
"""How long a revocation stays in the log: longer than tables can be restored back (35 days) and a family that lived then can
live (5 days)."""

Item: TypeAlias = dict[str, Any]
"""An item in DynamoDB's own notation: {"attribute": {"S": "text"}}."""


def key(thing: str, digest: str, *, synthetic: bool) -> Item:
    """Return the primary key of a login, code or family."""
    return {"pk": {"S": f"{_SYNTHETIC if synthetic else ''}{thing}#{digest}"}}


def text(value: str) -> Item:
    """Return a string attribute."""
    return {"S": value}


def number(value: int) -> Item:
    """Return a number attribute."""
    return {"N": str(value)}


def of_login(login: Login) -> Item:
    """Return the item of a login that has just started."""
    return _item(
        key("login", login.digest, synthetic=login.synthetic),
        login.expires_at,
        client_id=login.client_id,
        redirect_uri=login.redirect_uri,
        scope=scopes.text_of(login.scope),
        audience=login.audience,
        state=login.state,
        code_challenge=login.code_challenge,
        browser=login.browser,
        phase=login.phase.value,
        polls=login.polls,
        polled_at=login.polled_at,
        epoch=login.epoch,
    )


def to_login(digest: str, item: Mapping[str, Any], *, synthetic: bool) -> Login:
    """Return the login in an item."""
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
    )


def of_code(code: Code) -> Item:
    """Return the item of a code that has just been minted."""
    return _item(
        key("code", code.digest, synthetic=code.synthetic),
        code.expires_at,
        client_id=code.client_id,
        redirect_uri=code.redirect_uri,
        scope=scopes.text_of(code.scope),
        audience=code.audience,
        subject=code.subject,
        code_challenge=code.code_challenge,
        session=code.session,
        session_expires_at=code.session_expires_at,
        epoch=code.epoch,
    )


def to_code(digest: str, item: Mapping[str, Any], *, synthetic: bool) -> Code:
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
    )


def of_family(family: Family) -> Item:
    """Return the item of a family that begins."""
    return _item(
        key("family", family.family_id, synthetic=family.synthetic),
        family.expires_at,
        client_id=family.client_id,
        scope=scopes.text_of(family.scope),
        audience=family.audience,
        subject=family.subject,
        session=family.session,
        epoch=family.epoch,
        generation=family.generation,
        refresh_hash=family.refresh_hash,
        rotated_by=family.rotated_by,
    )


def to_family(family_id: str, item: Mapping[str, Any], *, synthetic: bool) -> Family:
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
    )


def document_key(client_id: str) -> Item:
    """Return the primary key of what a client's document said."""
    return key("client", credentials.digest(client_id), synthetic=False)


def of_document(client_id: str, kept: Kept) -> Item:
    """Return the item of what a client's document said."""
    return _item(
        document_key(client_id),
        kept.expires_at,
        client_id=client_id,
        fresh_until=kept.fresh_until,
        **_description(kept.description),
    )


def to_document(item: Mapping[str, Any]) -> Kept:
    """Return what a client's document said."""
    return Kept(_to_description(item), int(item["fresh_until"]["N"]), int(item["expires_at"]["N"]))


def of_registered(registered: Registered) -> Item:
    """Return the item of a client that has just been registered."""
    return _item(
        key("client", registered.client_id, synthetic=False),
        registered.expires_at,
        client_id=registered.client_id,
        secret_sha256=registered.secret_sha256,
        registered_at=registered.registered_at,
        **_description(registered.description),
    )


def to_registered(item: Mapping[str, Any]) -> Registered:
    """Return the registered client in an item."""
    return Registered(
        client_id=item["client_id"]["S"],
        description=_to_description(item),
        secret_sha256=_optional(item, "secret_sha256", "S"),
        registered_at=int(item["registered_at"]["N"]),
        expires_at=int(item["expires_at"]["N"]),
    )


def of_revocation(family_id: str, cause: Cause, now: int, *, synthetic: bool) -> Item:
    """Return the log's entry for a family that is revoked."""
    return _item(
        key("revoked", family_id, synthetic=synthetic), now + LOGGED_SECONDS, cause=cause.value, revoked_at=now
    )


def of_disowning(family_id: str, client_id: str, now: int, *, synthetic: bool) -> Item:
    """Return the log's entry for a token that a client gave up, of a family that is not there."""
    return _item(
        key("disowned", f"{family_id}#{credentials.digest(client_id)}", synthetic=synthetic),
        now + LOGGED_SECONDS,
        revoked_at=now,
    )


def to_epoch(item: Mapping[str, Any] | None) -> int:
    """Return the revocation epoch; an environment that never restored anything has no item and is in epoch 0."""
    return int(item["epoch"]["N"]) if item is not None else 0


def _description(description: Description) -> dict[str, str | None]:
    return {
        "client_name": description.name,
        "redirect_uris": json.dumps(description.redirect_uris),
        "wanted_scope": None if description.scope is None else scopes.text_of(description.scope),
        "authentication": description.authentication,
    }


def _to_description(item: Mapping[str, Any]) -> Description:
    wanted = _optional(item, "wanted_scope", "S")
    return Description(
        name=_optional(item, "client_name", "S"),
        redirect_uris=tuple(json.loads(item["redirect_uris"]["S"])),
        scope=None if wanted is None else tuple(wanted.split()),
        authentication=item["authentication"]["S"],
    )


def _item(primary_key: Item, expires_at: int, **attributes: str | int | bytes | None) -> Item:
    item = {
        **primary_key,
        "schema": number(item_layouts.WRITES),
        "expires_at": number(expires_at),
        "delete_at": number(expires_at + _KEEP_SECONDS),
    }
    for name, value in attributes.items():
        if isinstance(value, str):
            item[name] = text(value)
        elif isinstance(value, int):
            item[name] = number(value)
        elif value is not None:
            item[name] = {"B": value}
    return item


def _optional(item: Mapping[str, Any], name: str, notation: str) -> str | None:
    return item[name][notation] if name in item else None


def _octets(item: Mapping[str, Any], name: str) -> bytes | None:
    return bytes(item[name]["B"]) if name in item else None
