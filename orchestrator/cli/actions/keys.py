"""The commands of `keys`: list, rotate and revoke signing keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from orchestrator.application import key_rotation
from orchestrator.cli.context import Context
from orchestrator.cli.live.json_lines import print_request, print_result
from orchestrator.cli.recorded_actions import record_action
from orchestrator.cli.rendering.local_times import local_minute
from orchestrator.cli.rendering.output import console, print_json, print_json_line, text_table
from orchestrator.domain.errors import Refused
from orchestrator.domain.signing_keys import (
    PUBLICATION_PERIOD,
    KeyPhase,
    RotationAction,
    SigningKey,
    SigningKeyRing,
    step_of_key,
)
from orchestrator.domain.signing_keys import revoke_key as without

POLL_SECONDS = 15.0
USABLE = "Enabled"
"""The state of a key in KMS in which it signs and its public key can be read."""
_NEXT = {
    RotationAction.PUBLISH: "successor published",
    RotationAction.SIGN: "signs",
    RotationAction.RETIRE: "removed",
}


def list_keys(context: Context, *, json: bool) -> None:
    """Show the current key ring."""
    _show(context, context.cloud.key_ring.read_ring(), json=json)


def rotate(context: Context, by: str, *, watch: bool, json: bool) -> None:
    """Publish a new key.

    Raises:
        Refused: a new key is already published.
    """
    ring = key_rotation.publish_new_key(context.cloud.key_ring, context.cloud.now)
    (new,) = ring.keys_in_phase(KeyPhase.PUBLISHED)
    _record(context, f"rotate by {by}", f"{new.kid} is published")
    if not watch:
        _show(context, ring, json=json)
        return
    if json:
        print_request(context.cloud.now(), context.name, requested_by=by, kid=new.kid)
    _follow(context, ring, new.kid, json=json)
    ring = context.cloud.key_ring.read_ring()
    if json:
        print_result(context.cloud.now(), _ring_object(context, ring))
    else:
        _show(context, ring, json=json)


def revoke(context: Context, kid: str, by: str, *, confirmed: bool, json: bool) -> None:
    """Remove a key from the key ring.

    Raises:
        Refused: there is no such key, no other key could sign, or the operator did not confirm.
    """
    if not confirmed:
        raise Refused(
            "--yes", "missing", "add it: with --json there is no confirmation, and the key's tokens become invalid"
        )
    ring = key_rotation.remove_key(context.cloud.key_ring, kid, context.cloud.now)
    _record(context, f"revoke by {by}", f"{kid} was revoked; {ring.signing.kid} signs")
    _show(context, ring, json=json)


def consequences(context: Context, kid: str) -> list[str]:
    """Return the consequences of revoking a key, one sentence each.

    Raises:
        Refused: there is no such key, or no other key could sign.
    """
    now, ring = context.cloud.now(), context.cloud.key_ring.read_ring()
    remaining = without(ring, kid, now)
    sentences = [
        f"{kid} is removed from {context.name} at once: tokens that it signed become invalid, and clients must refresh."
    ]
    if remaining.signing.kid != ring.signing.kid:
        sentences.append(f"{remaining.signing.kid} signs from now on.")
        (published,) = ring.keys_in_phase(KeyPhase.PUBLISHED)
        if now < published.since + PUBLICATION_PERIOD:
            age = _duration(now - published.since)
            sentences.append(
                f"It was published {age} ago, less than {_duration(PUBLICATION_PERIOD)}: some clients have not cached"
                " it yet. In its first 5 minutes KMS may reject it, and no tokens are issued."
            )
    return sentences


def _follow(context: Context, ring: SigningKeyRing, kid: str, *, json: bool) -> None:
    """Print each change until the new key is the only one or is revoked."""
    version = ring.version
    while len(ring.keys) > 1 and any(key.kid == kid for key in ring.keys):
        time.sleep(POLL_SECONDS)
        ring = context.cloud.key_ring.read_ring()
        if ring.version != version:
            version = ring.version
            if json:
                print_json_line({"time": ring.changed_at, "type": "keys", **_ring_object(context, ring)})
            else:
                console().print(_table(context, ring))


def _show(context: Context, ring: SigningKeyRing, *, json: bool) -> None:
    if json:
        print_json(_ring_object(context, ring))
        return
    screen = console()
    screen.print(_table(context, ring))
    for key_id, state in context.cloud.key_ring.read_states(ring).items():
        if state != USABLE:
            remedy = "nothing can be signed or verified with it; docs/runbooks/rotate-signing-keys.md"
            screen.print(f"{key_id} is {state}: {remedy}", style="bold red", markup=False, soft_wrap=True)


def _ring_object(context: Context, ring: SigningKeyRing) -> Mapping[str, Any]:
    states = context.cloud.key_ring.read_states(ring)
    keys = [{**_key_object(key, ring, _rotation(context)), "state": states.get(key.key_id)} for key in ring.keys]
    return {"environment": context.name, "version": ring.version, "changed_at": ring.changed_at, "keys": keys}


def _table(context: Context, ring: SigningKeyRing) -> Any:
    return text_table(KEY_COLUMNS, key_rows(context, ring), ("kid", "phase"))


KEY_COLUMNS = ("kid", "phase", "state in KMS", "age", "next")


def key_rows(
    context: Context, ring: SigningKeyRing, minute: Callable[[datetime], str] = local_minute
) -> list[tuple[str, ...]]:
    """Return the keys of a ring as rows of `KEY_COLUMNS`. `minute` writes a time."""
    now, rotation = context.cloud.now(), _rotation(context)
    states = context.cloud.key_ring.read_states(ring)
    return [
        (
            key.kid,
            key.phase,
            states.get(key.key_id, "unknown"),
            _duration(now - key.since),
            _next(key, ring, rotation, minute),
        )
        for key in ring.keys
    ]


def _next(key: SigningKey, ring: SigningKeyRing, rotation_after: timedelta, minute: Callable[[datetime], str]) -> str:
    move = step_of_key(key, ring, rotation_after)
    if move is None:
        return f"retires when {ring.keys_in_phase(KeyPhase.PUBLISHED)[0].kid} signs"
    return f"{_NEXT[move.action]} {minute(move.due_at)} or up to 15 minutes later"


def _key_object(key: SigningKey, ring: SigningKeyRing, rotation_after: timedelta) -> Mapping[str, Any]:
    move = step_of_key(key, ring, rotation_after)
    return {
        "kid": key.kid,
        "phase": key.phase,
        "since": key.since,
        "key_id": key.key_id,
        "next": {"move": move.action, "due": move.due_at} if move else None,
    }


def _rotation(context: Context) -> timedelta:
    return timedelta(days=context.environment.key_rotation_days)


def _record(context: Context, name: str, why: str) -> None:
    at = context.cloud.now()
    record_action(context, f"keys-{at.isoformat()}", name, why, at=at)


def _duration(duration: timedelta) -> str:
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    if minutes < 1:
        return f"{seconds} s"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min" if hours else f"{minutes} min"
