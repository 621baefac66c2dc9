"""Rotation of the signing keys.

| phase of a key | ends after              | step    | result                                                          |
|----------------|-------------------------|---------|-----------------------------------------------------------------|
| signing        | the rotation period     | PUBLISH | a new key is published: it is in the key set and signs nothing  |
| published      | `PUBLICATION_PERIOD`    | SIGN    | it signs, and the previous signing key retires                  |
| retiring       | `RETIREMENT_PERIOD`     | RETIRE  | it leaves the key ring; KMS deletes it 30 days later            |

Each period is the sum of the delays that it has to cover. Clients never receive a token whose key they cannot know,
and every token expires before its key leaves the key set. At most one key is published at a time. A revoked key leaves
at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.domain.errors import Refused

KEY_SET_MAX_AGE = timedelta(seconds=300)
"""How long clients may cache the key set: the max-age of the service's response."""
RING_MAX_STALENESS = timedelta(seconds=900)
"""How long a function may use the key ring it has read if it cannot read a newer one: its STALE_SECONDS."""
TAG_PROPAGATION = timedelta(minutes=5)
"""The longest delay until KMS applies a key's tags; until then no function may use the key.
https://docs.aws.amazon.com/kms/latest/developerguide/abac.html"""
TAGS_APPLY_WITHIN = 2 * TAG_PROPAGATION
"""Until a key has this age, a denied call is taken for tags that do not apply yet, and is repeated."""
TOKEN_LIFETIME = timedelta(seconds=600)
"""The longest lifetime of an access token."""
CLOCK_SKEW = timedelta(seconds=60)
MARGIN = timedelta(seconds=60)

PUBLICATION_PERIOD = TAG_PROPAGATION + RING_MAX_STALENESS + KEY_SET_MAX_AGE + MARGIN
RETIREMENT_PERIOD = RING_MAX_STALENESS + TOKEN_LIFETIME + CLOCK_SKEW + MARGIN

# SubjectPublicKeyInfo of a P-256 key (RFC 5480): a fixed preamble, then both coordinates.
_SPKI_PREAMBLE = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_COORDINATE_BYTES = 32


class KeyPhase(StrEnum):
    """The phase of a key in the key ring."""

    PUBLISHED = "published"
    SIGNING = "signing"
    RETIRING = "retiring"


class RotationAction(StrEnum):
    """A change of the key ring."""

    PUBLISH = "publish"
    SIGN = "sign"
    RETIRE = "retire"


@dataclass(frozen=True)
class SigningKey:
    """A key of the key ring.

    Attributes:
        key_id: its ARN in KMS.
        kid: its thumbprint (RFC 7638), the key id in tokens.
        since: when its phase began.
    """

    key_id: str
    kid: str
    phase: KeyPhase
    since: datetime


@dataclass(frozen=True)
class SigningKeyRing:
    """The signing keys of an environment. Exactly one signs, at most one is published.

    Attributes:
        version: number of changes; 0 for the initial key ring, in which only the stack's own key signs.
        changed_at: time of the last change; it never decreases.
    """

    version: int
    changed_at: datetime
    keys: tuple[SigningKey, ...]

    def keys_in_phase(self, phase: KeyPhase) -> tuple[SigningKey, ...]:
        """Return the keys in a phase."""
        return tuple(key for key in self.keys if key.phase is phase)

    @property
    def signing(self) -> SigningKey:
        """The key that signs."""
        return self.keys_in_phase(KeyPhase.SIGNING)[0]


@dataclass(frozen=True)
class RotationStep:
    """The next step for a key, with its due time. `kid` is the key that reaches the end of its phase."""

    action: RotationAction
    kid: str
    due_at: datetime


@dataclass(frozen=True)
class KmsKey:
    """A key that KMS lists under the environment's tag. `usable`: it can sign."""

    key_id: str
    created_at: datetime
    usable: bool


def may_lack_its_tags(key: KmsKey, now: datetime) -> bool:
    """Return whether KMS may not apply a key's tags yet, so that a call that they allow can be denied."""
    return now - key.created_at < TAGS_APPLY_WITHIN


def initial_key_ring(key: KmsKey, kid: str) -> SigningKeyRing:
    """Return the key ring before its first change: the stack's own key signs."""
    return SigningKeyRing(0, key.created_at, (SigningKey(key.key_id, kid, KeyPhase.SIGNING, key.created_at),))


def step_of_key(key: SigningKey, ring: SigningKeyRing, rotation: timedelta) -> RotationStep | None:
    """Return the next step for a key; None if it waits for the step of another key."""
    if key.phase is KeyPhase.PUBLISHED:
        return RotationStep(RotationAction.SIGN, key.kid, key.since + PUBLICATION_PERIOD)
    if key.phase is KeyPhase.RETIRING:
        return RotationStep(RotationAction.RETIRE, key.kid, key.since + RETIREMENT_PERIOD)
    return (
        None
        if ring.keys_in_phase(KeyPhase.PUBLISHED)
        else RotationStep(RotationAction.PUBLISH, key.kid, key.since + rotation)
    )


def next_rotation_step(ring: SigningKeyRing, rotation: timedelta) -> RotationStep:
    """Return the step that is due first. There always is one, because a signing key has a successor."""
    steps = [step for key in ring.keys if (step := step_of_key(key, ring, rotation))]
    return min(steps, key=lambda step: step.due_at)


def publish_key(ring: SigningKeyRing, key: KmsKey, kid: str, now: datetime) -> SigningKeyRing:
    """Add a new key, which does not sign yet.

    Its publication period starts no earlier than KMS created the key, so that a slow clock of ours cannot shorten it.

    Raises:
        Refused: another key is already published.
    """
    refuse_second_publication(ring)
    since = max(now, key.created_at)
    return _next_version(ring, (*ring.keys, SigningKey(key.key_id, kid, KeyPhase.PUBLISHED, since)), since)


def refuse_second_publication(ring: SigningKeyRing) -> None:
    """Refuse a rotation while another is in progress. Call it before a key is created.

    Raises:
        Refused: a key is already published.
    """
    for key in ring.keys_in_phase(KeyPhase.PUBLISHED):
        remedy = f"{key.kid} is already published and starts to sign by itself; `orchestrator keys` shows when"
        raise Refused("rotate", "a second new key", remedy)


def apply_rotation_step(ring: SigningKeyRing, step: RotationStep, now: datetime) -> SigningKeyRing:
    """Apply a SIGN or RETIRE step. `publish_key` applies PUBLISH, because it needs the new key."""
    if step.action is RotationAction.RETIRE:
        return _next_version(ring, tuple(key for key in ring.keys if key.kid != step.kid), now)
    return _next_version(ring, _signing_with(ring, step.kid, now), now)


def revoke_key(ring: SigningKeyRing, kid: str, now: datetime) -> SigningKeyRing:
    """Remove a key at once. If it signs, the published key signs from now on.

    Raises:
        Refused: the key ring has no such key, or no other key could sign.
    """
    key = next((other for other in ring.keys if other.kid == kid), None)
    if key is None:
        raise Refused("kid", kid, f"name one of {', '.join(other.kid for other in ring.keys)}")
    keys = ring.keys
    if key.phase is KeyPhase.SIGNING:
        published = ring.keys_in_phase(KeyPhase.PUBLISHED)
        if not published:
            raise Refused("kid", kid, "no other key can sign: publish one with `orchestrator keys rotate` first")
        keys = _signing_with(ring, published[0].kid, now)
    return _next_version(ring, tuple(other for other in keys if other.kid != kid), now)


def unpublished_key(kms_keys: Sequence[KmsKey], ring: SigningKeyRing, stack_key_id: str) -> KmsKey | None:
    """Return a key that an interrupted rotation created but did not publish; None if there is none.

    Only keys younger than the key ring's last change count. An older key may have been in the ring, and may have leaked.
    """
    candidates = [key for key in _keys_outside(kms_keys, ring) if key.created_at > ring.changed_at]
    return min((key for key in candidates if key.key_id != stack_key_id), key=lambda key: key.created_at, default=None)


def keys_to_delete(kms_keys: Sequence[KmsKey], ring: SigningKeyRing) -> tuple[KmsKey, ...]:
    """Return the usable keys that must not sign any more: they left the key ring, or lost the race to enter it."""
    return tuple(key for key in _keys_outside(kms_keys, ring) if key.created_at <= ring.changed_at)


def _signing_with(ring: SigningKeyRing, kid: str, now: datetime) -> tuple[SigningKey, ...]:
    """Return the keys with this one signing and the previous signing key retiring."""

    def next_phase(key: SigningKey) -> SigningKey:
        if key.kid == kid:
            return replace(key, phase=KeyPhase.SIGNING, since=now)
        return replace(key, phase=KeyPhase.RETIRING, since=now) if key.phase is KeyPhase.SIGNING else key

    return tuple(next_phase(key) for key in ring.keys)


def _keys_outside(kms_keys: Sequence[KmsKey], ring: SigningKeyRing) -> list[KmsKey]:
    inside = {key.key_id for key in ring.keys}
    return [key for key in kms_keys if key.usable and key.key_id not in inside]


def _next_version(ring: SigningKeyRing, keys: tuple[SigningKey, ...], now: datetime) -> SigningKeyRing:
    return SigningKeyRing(ring.version + 1, max(now, ring.changed_at), keys)
