"""Rotate the signing keys: take every step of the rotation that is due, and continue where an earlier run stopped.

Every step is one call that can be repeated. A key is created before the key ring is written, so an unused key is found
and used by the next run. So is a key whose tags KMS does not apply yet: the run ends, and reports it. A key leaves the key ring before it is deleted, so a key that is still enabled outside the
ring is found and deleted by the next run.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from orchestrator.aws.oauth_tables.signing_keys import KeyRing
from orchestrator.domain.errors import KeyNotYetUsable, KeyRingConflict
from orchestrator.domain.signing_keys import (
    RotationAction,
    SigningKeyRing,
    apply_rotation_step,
    keys_to_delete,
    next_rotation_step,
    publish_key,
    refuse_second_publication,
    revoke_key,
    unpublished_key,
)

Clock = Callable[[], datetime]
TRIES = 3
"""How often a change is tried on a key ring that other clients change meanwhile."""
MAX_STEPS = 8
"""How many steps one run takes at most."""


def advance_rotation(keys: KeyRing, now: Clock, rotation: timedelta) -> list[str]:
    """Take every rotation step that is due, and delete the keys that are no longer needed.

    Args:
        keys: the key ring.
        now: the clock.
        rotation: how long a key signs.

    Returns:
        What was done, one sentence each.
    """
    done: list[str] = []
    try:
        for _ in range(MAX_STEPS):
            ring = keys.read_ring()
            step = next_rotation_step(ring, rotation)
            if step.due_at > now():
                break
            changed = (
                _with_new_key(keys, ring, now)
                if step.action is RotationAction.PUBLISH
                else apply_rotation_step(ring, step, now())
            )
            try:
                keys.write_ring(changed)
            except KeyRingConflict:
                continue  # the other client may have taken this very step
            sentences = {
                RotationAction.PUBLISH: f"{changed.keys[-1].kid} is published",
                RotationAction.SIGN: f"{step.kid} signs",
            }
            done.append(sentences.get(step.action, f"{step.kid} left the ring"))
        done += delete_leftover_keys(keys)
    except KeyNotYetUsable as error:
        done.append(f"{error}; the next run continues with it")
    return done


def publish_new_key(keys: KeyRing, now: Clock) -> SigningKeyRing:
    """Publish a new key.

    Raises:
        Refused: a key is published already.
        KeyNotYetUsable: the key was created, and KMS does not apply its tags yet; try again.
        KeyRingConflict: other clients kept changing the key ring.
    """
    return _change_ring(keys, lambda ring: _with_new_key(keys, ring, now))


def remove_key(keys: KeyRing, kid: str, now: Clock) -> SigningKeyRing:
    """Remove a key from the key ring, and disable it.

    Raises:
        Refused: the key ring has no such key, or no other key could sign.
        KeyRingConflict: other clients kept changing the key ring.
    """
    changed = _change_ring(keys, lambda ring: revoke_key(ring, kid, now()))
    delete_leftover_keys(keys)
    return changed


def delete_leftover_keys(keys: KeyRing) -> list[str]:
    """Disable the keys outside the key ring, and schedule their deletion; return what was done, one sentence each."""
    ring = keys.read_ring()
    known = {key.key_id: key for key in (*keys.find_keys(), keys.read_stack_key())}
    done = []
    for key in keys_to_delete(list(known.values()), ring):
        keys.schedule_deletion(key)
        done.append(f"{key.key_id} is disabled and scheduled for deletion")
    return done


def _with_new_key(keys: KeyRing, ring: SigningKeyRing, now: Clock) -> SigningKeyRing:
    """Return the key ring with a new key: an unused one of an earlier run, or one that KMS creates now."""
    refuse_second_publication(ring)
    key = unpublished_key(keys.find_keys(), ring, keys.read_stack_key().key_id) or keys.create_key()
    return publish_key(ring, key, keys.read_kid(key), now())


def _change_ring(keys: KeyRing, change: Callable[[SigningKeyRing], SigningKeyRing]) -> SigningKeyRing:
    for _ in range(TRIES):
        changed = change(keys.read_ring())
        try:
            keys.write_ring(changed)
        except KeyRingConflict:
            continue
        return changed
    raise KeyRingConflict(f"another client changed the key ring {TRIES} times in a row; try again")
