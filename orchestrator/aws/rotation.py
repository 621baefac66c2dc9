"""Turning the ring: what is due is done, whoever did the half of it before.

Every step is one call that can be repeated. A key is made before the ring is written, and one that was made in vain is found
again; a key leaves the ring before it is put away, and one that was left usable is found again, too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from orchestrator.aws.key_ring import KeyRing
from orchestrator.domain.errors import RingChanged
from orchestrator.domain.key_ring import Kind, Ring, leftovers, next_move, publish, refuse_second, revoke, spare, turn

Clock = Callable[[], datetime]
TRIES = 3
"""Times that a change is tried again on a ring that somebody else changed meanwhile."""
MOVES_AT_ONCE = 8


def advance(keys: KeyRing, now: Clock, rotation: timedelta) -> list[str]:
    """Do everything that is due, and put away what is left over.

    Returns:
        What was done, a sentence each.
    """
    done: list[str] = []
    for _ in range(MOVES_AT_ONCE):
        ring = keys.read()
        move = next_move(ring, rotation)
        if move.due > now():
            break
        changed = _published(keys, ring, now) if move.kind is Kind.PUBLISH else turn(ring, move, now())
        try:
            keys.write(changed)
        except RingChanged:
            continue  # whoever changed it may have done this very move
        told = {Kind.PUBLISH: f"{changed.keys[-1].kid} is published", Kind.SIGN: f"{move.kid} signs"}
        done.append(told.get(move.kind, f"{move.kid} left the ring"))
    return [*done, *put_leftovers_away(keys)]


def rotate(keys: KeyRing, now: Clock) -> Ring:
    """Publish a new key.

    Raises:
        Refused: one is published already.
    """
    return _change(keys, lambda ring: _published(keys, ring, now))


def take_out(keys: KeyRing, kid: str, now: Clock) -> Ring:
    """Take a key out of the ring and have it sign nothing any more.

    Raises:
        Refused: the ring has no such key, or nothing could sign in its place.
    """
    changed = _change(keys, lambda ring: revoke(ring, kid, now()))
    put_leftovers_away(keys)
    return changed


def put_leftovers_away(keys: KeyRing) -> list[str]:
    """Have keys that are outside the ring sign nothing any more; returns what was done, a sentence each."""
    ring = keys.read()
    found = {key.key_id: key for key in (*keys.found(), keys.stack_key())}
    told = []
    for key in leftovers(list(found.values()), ring):
        keys.put_away(key)
        told.append(f"{key.key_id} was put away")
    return told


def _published(keys: KeyRing, ring: Ring, now: Clock) -> Ring:
    """The ring with a new key: one that was made in vain before, or else one that KMS makes now."""
    refuse_second(ring)
    key = spare(keys.found(), ring, keys.stack_key().key_id) or keys.make()
    return publish(ring, key, keys.kid(key.key_id), now())


def _change(keys: KeyRing, change: Callable[[Ring], Ring]) -> Ring:
    for _ in range(TRIES):
        changed = change(keys.read())
        try:
            keys.write(changed)
        except RingChanged:
            continue
        return changed
    raise RingChanged(f"the ring was changed by somebody else {TRIES} times over; try again")
