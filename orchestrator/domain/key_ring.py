"""Signing keys: the rules by which a ring of them turns.

| a key that…  | after                            | is moved by | and then                                              |
|--------------|----------------------------------|-------------|-------------------------------------------------------|
| signs        | the rotation's days              | PUBLISH     | a new key is published: it stands in the key set only |
| is published | `PUBLISHED_FOR`                  | SIGN        | it signs, and the one before retires                  |
| retires      | `RETIRES_FOR`                    | RETIRE      | it leaves the ring; KMS deletes it 30 days later      |

Each wait is the sum of what may be behind: no client meets a token whose key it cannot know, and no token outlives its key.
Nothing is published while something is published already; a revoked key leaves at once.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.domain.errors import Refused

KEY_SET_KEPT = timedelta(seconds=300)
"""How long clients may keep the key set: the max-age that the service says."""
RING_KEPT = timedelta(seconds=900)
"""How long a function may serve with a ring it has read, where it can read none: its STALE_SECONDS."""
TAGS_SETTLE = timedelta(minutes=5)
"""How late KMS may judge by a key's tags; until then no function may use the key.
https://docs.aws.amazon.com/kms/latest/developerguide/abac.html"""
TOKEN_LIVES = timedelta(seconds=600)
"""The longest life of an access token."""
CLOCKS_DIFFER = timedelta(seconds=60)
MARGIN = timedelta(seconds=60)

PUBLISHED_FOR = TAGS_SETTLE + RING_KEPT + KEY_SET_KEPT + MARGIN
RETIRES_FOR = RING_KEPT + TOKEN_LIVES + CLOCKS_DIFFER + MARGIN

# SubjectPublicKeyInfo of a P-256 key (RFC 5480): a fixed preamble, then both coordinates.
_SPKI_PREAMBLE = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_COORDINATE_BYTES = 32


class Phase(StrEnum):
    """What a key of the ring is for."""

    PUBLISHED = "published"
    SIGNING = "signing"
    RETIRING = "retiring"


class Kind(StrEnum):
    """What may be done with a ring."""

    PUBLISH = "publish"
    SIGN = "sign"
    RETIRE = "retire"


@dataclass(frozen=True)
class SigningKey:
    """A key of the ring.

    Attributes:
        key_id: its ARN in KMS.
        kid: its thumbprint (RFC 7638), by which tokens name it.
        since: when its phase began.
    """

    key_id: str
    kid: str
    phase: Phase
    since: datetime


@dataclass(frozen=True)
class Ring:
    """The signing keys of an environment. Exactly one signs, at most one is published.

    Attributes:
        version: counts the changes; 0 is a ring that nobody has written, in which the stack's own key signs alone.
        changed_at: when it last changed. It never goes back.
    """

    version: int
    changed_at: datetime
    keys: tuple[SigningKey, ...]

    def of(self, phase: Phase) -> tuple[SigningKey, ...]:
        """The keys in a phase."""
        return tuple(key for key in self.keys if key.phase is phase)

    @property
    def signing(self) -> SigningKey:
        """The key that signs."""
        return self.of(Phase.SIGNING)[0]


@dataclass(frozen=True)
class Move:
    """What is to be done next with a key, and from when on. `kid` is the key whose time it is."""

    kind: Kind
    kid: str
    due: datetime


@dataclass(frozen=True)
class FoundKey:
    """A key that KMS has under the environment's tag. `usable`: it can sign."""

    key_id: str
    created_at: datetime
    usable: bool


def stack_ring(key: FoundKey, kid: str) -> Ring:
    """The ring that is there before anybody wrote one."""
    return Ring(0, key.created_at, (SigningKey(key.key_id, kid, Phase.SIGNING, key.created_at),))


def move_of(key: SigningKey, ring: Ring, rotation: timedelta) -> Move | None:
    """What will be done because of a key; None where it waits for another one's move."""
    if key.phase is Phase.PUBLISHED:
        return Move(Kind.SIGN, key.kid, key.since + PUBLISHED_FOR)
    if key.phase is Phase.RETIRING:
        return Move(Kind.RETIRE, key.kid, key.since + RETIRES_FOR)
    return None if ring.of(Phase.PUBLISHED) else Move(Kind.PUBLISH, key.kid, key.since + rotation)


def next_move(ring: Ring, rotation: timedelta) -> Move:
    """The move that is due first. There always is one: a key that signs is followed by another."""
    moves = [move for key in ring.keys if (move := move_of(key, ring, rotation))]
    return min(moves, key=lambda move: move.due)


def publish(ring: Ring, key: FoundKey, kid: str, now: datetime) -> Ring:
    """Add a new key, which signs nothing yet.

    Its wait counts from when KMS made it at the earliest: a clock of ours that is slow must not shorten it.

    Raises:
        Refused: one is published already.
    """
    refuse_second(ring)
    since = max(now, key.created_at)
    return _changed(ring, (*ring.keys, SigningKey(key.key_id, kid, Phase.PUBLISHED, since)), since)


def refuse_second(ring: Ring) -> None:
    """Refuse a rotation while one runs: worth asking before a key is made.

    Raises:
        Refused: a key is published already.
    """
    for key in ring.of(Phase.PUBLISHED):
        remedy = f"{key.kid} is published already and will sign by itself; `orchestrator keys` says when"
        raise Refused("rotate", "a second new key", remedy)


def turn(ring: Ring, move: Move, now: datetime) -> Ring:
    """Carry out SIGN or RETIRE. What is in the ring by a publication is `publish`."""
    if move.kind is Kind.RETIRE:
        return _changed(ring, tuple(key for key in ring.keys if key.kid != move.kid), now)
    return _changed(ring, _signing_with(ring, move.kid, now), now)


def revoke(ring: Ring, kid: str, now: datetime) -> Ring:
    """Take a key out at once. In place of one that signs, the published one signs from now on.

    Raises:
        Refused: the ring has no such key, or nothing could sign in its place.
    """
    found = next((key for key in ring.keys if key.kid == kid), None)
    if found is None:
        raise Refused("kid", kid, f"name one of {', '.join(key.kid for key in ring.keys)}")
    keys = ring.keys
    if found.phase is Phase.SIGNING:
        published = ring.of(Phase.PUBLISHED)
        if not published:
            raise Refused("kid", kid, "it alone signs: `orchestrator keys rotate` first, which publishes another")
        keys = _signing_with(ring, published[0].kid, now)
    return _changed(ring, tuple(key for key in keys if key.kid != kid), now)


def spare(found: Sequence[FoundKey], ring: Ring, stack_key_id: str) -> FoundKey | None:
    """A key that was made to be published and was not, because somebody died in between.

    Only one younger than the ring's last change: an older one may have been in the ring, and may have leaked.
    """
    candidates = [key for key in _outside(found, ring) if key.created_at > ring.changed_at]
    return min((key for key in candidates if key.key_id != stack_key_id), key=lambda key: key.created_at, default=None)


def leftovers(found: Sequence[FoundKey], ring: Ring) -> tuple[FoundKey, ...]:
    """Keys that can sign and must not any more: they left the ring, or lost the race into it."""
    return tuple(key for key in _outside(found, ring) if key.created_at <= ring.changed_at)


def thumbprint(spki: bytes) -> str:
    """The id of a P-256 public key (RFC 7638 section 3.2), from its DER SubjectPublicKeyInfo as KMS gives it.

    Raises:
        ValueError: it is another kind of key.
    """
    point = spki.removeprefix(_SPKI_PREAMBLE)
    if point == spki or len(point) != 2 * _COORDINATE_BYTES:
        raise ValueError("not a P-256 public key")
    members = {
        "crv": "P-256",
        "kty": "EC",
        "x": _text(point[:_COORDINATE_BYTES]),
        "y": _text(point[_COORDINATE_BYTES:]),
    }
    return _text(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())


def _text(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def _signing_with(ring: Ring, kid: str, now: datetime) -> tuple[SigningKey, ...]:
    """The keys with another one signing."""

    def turned(key: SigningKey) -> SigningKey:
        if key.kid == kid:
            return replace(key, phase=Phase.SIGNING, since=now)
        return replace(key, phase=Phase.RETIRING, since=now) if key.phase is Phase.SIGNING else key

    return tuple(turned(key) for key in ring.keys)


def _outside(found: Sequence[FoundKey], ring: Ring) -> list[FoundKey]:
    inside = {key.key_id for key in ring.keys}
    return [key for key in found if key.usable and key.key_id not in inside]


def _changed(ring: Ring, keys: tuple[SigningKey, ...], now: datetime) -> Ring:
    return Ring(ring.version + 1, max(now, ring.changed_at), keys)
