"""Listing the signing keys, rotating them, and taking one out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from orchestrator.aws import rotation
from orchestrator.cli.context import Context
from orchestrator.cli.output import as_json, console, table_of
from orchestrator.domain.errors import Refused
from orchestrator.domain.key_ring import PUBLISHED_FOR, Kind, Phase, Ring, SigningKey, move_of
from orchestrator.domain.key_ring import revoke as without
from orchestrator.domain.records import Signal

POLL_SECONDS = 15.0
_NEXT = {Kind.PUBLISH: "is followed by a new key", Kind.SIGN: "signs", Kind.RETIRE: "leaves"}


def listed(context: Context, *, json: bool) -> None:
    """Show the ring as it is now."""
    _show(context, context.cloud.key_ring.read(), json=json)


def rotate(context: Context, by: str, *, watch: bool, json: bool) -> None:
    """Publish a new key.

    Raises:
        Refused: one is published already.
    """
    ring = rotation.rotate(context.cloud.key_ring, context.cloud.now)
    (new,) = ring.of(Phase.PUBLISHED)
    _keep(context, f"rotate by {by}", f"{new.kid} is published")
    if watch:
        _follow(context, ring, new.kid, json=json)
        ring = context.cloud.key_ring.read()
    _show(context, ring, json=json)


def revoke(context: Context, kid: str, by: str, *, confirmed: bool, json: bool) -> None:
    """Take a key out of the ring.

    Raises:
        Refused: the ring has no such key, nothing could sign in its place, or nobody confirmed it.
    """
    if not confirmed:
        raise Refused("--yes", "missing", "add it: with --json nobody is asked, and the key's tokens die")
    ring = rotation.take_out(context.cloud.key_ring, kid, context.cloud.now)
    _keep(context, f"revoke by {by}", f"{kid} was revoked; {ring.signing.kid} signs")
    _show(context, ring, json=json)


def consequences(context: Context, kid: str) -> list[str]:
    """What revoking a key does, a sentence each.

    Raises:
        Refused: the ring has no such key, or nothing could sign in its place.
    """
    now, ring = context.cloud.now(), context.cloud.key_ring.read()
    left = without(ring, kid, now)
    told = [f"{kid} leaves {context.name} at once: what it signed no longer counts, and clients have to refresh."]
    if left.signing.kid != ring.signing.kid:
        told.append(f"{left.signing.kid} signs from now on.")
        (published,) = ring.of(Phase.PUBLISHED)
        if now < published.since + PUBLISHED_FOR:
            waited = _length(now - published.since)
            told.append(
                f"It was published only {waited} ago, of {_length(PUBLISHED_FOR)}: until then some clients do not know"
                " it yet, and in its first 5 minutes KMS may refuse it and tokens are not issued."
            )
    return told


def _follow(context: Context, ring: Ring, kid: str, *, json: bool) -> None:
    """Show each change until the new key signs and is the only one, or was revoked."""
    screen = console()
    screen.quiet = json
    version = ring.version
    while len(ring.keys) > 1 and any(key.kid == kid for key in ring.keys):
        time.sleep(POLL_SECONDS)
        ring = context.cloud.key_ring.read()
        if ring.version != version:
            version = ring.version
            screen.print(_table(context, ring))


def _show(context: Context, ring: Ring, *, json: bool) -> None:
    if json:
        keys = [_told(key, ring, _rotation(context)) for key in ring.keys]
        as_json({"environment": context.name, "version": ring.version, "changed_at": ring.changed_at, "keys": keys})
        return
    console().print(_table(context, ring))


def _table(context: Context, ring: Ring) -> Any:
    now = context.cloud.now()
    rows = [(key.kid, key.phase, _length(now - key.since), _next(key, ring, _rotation(context))) for key in ring.keys]
    return table_of(("kid", "phase", "for", "next"), rows, ("kid", "phase"))


def _next(key: SigningKey, ring: Ring, rotation_after: timedelta) -> str:
    move = move_of(key, ring, rotation_after)
    if move is None:
        return f"retires when {ring.of(Phase.PUBLISHED)[0].kid} signs"
    return f"{_NEXT[move.kind]} {_moment(move.due)} or up to 15 minutes later"


def _told(key: SigningKey, ring: Ring, rotation_after: timedelta) -> Mapping[str, Any]:
    move = move_of(key, ring, rotation_after)
    return {
        "kid": key.kid,
        "phase": key.phase,
        "since": key.since,
        "key_id": key.key_id,
        "next": {"move": move.kind, "due": move.due} if move else None,
    }


def _rotation(context: Context) -> timedelta:
    return timedelta(days=context.environment.key_rotation_days)


def _keep(context: Context, name: str, why: str) -> None:
    at = context.cloud.now()
    context.cloud.ledger.signal(Signal(f"keys-{at.isoformat()}", at, "person", name, acted=True, why=why))


def _moment(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


def _length(length: timedelta) -> str:
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    if minutes < 1:
        return f"{seconds} s"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min" if hours else f"{minutes} min"
