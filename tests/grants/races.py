"""Clients race for one grant, by the real Issuance over the real Store, in an order and with delays that can be repeated.

Every contestant is a Lambda process of its own: it shares nothing with the others but the tables, so the calls to tables and key
are the only points at which one can overtake another, and the only ones at which a writer here pauses. A call takes 2 to 20 ms of
simulated time, part of it on the way there and part on the way back, and takes effect at one instant between, as a call for one
item of DynamoDB does. Conditions are judged by the local cloud's evaluator (tests/fakes/tables.py).

What must hold, whichever request comes first and whatever fails: a grant is used once, and from the first refusal of a replay on none of
its tokens is alive. With a grace period a refresh token may be exchanged again, and then the token that it was exchanged for before
is dead: of all refresh tokens that clients hold, one is alive at most.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import accumulate
from random import Random
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from service.oauth import codes, credentials, families, pkce
from service.oauth.clients import Client
from service.oauth.codes import Code
from service.oauth.errors import InvalidGrant
from service.oauth.token_request import CodeGrant, RefreshGrant
from service.oauth.tokens import AccessToken
from service.storage import item_codec
from service.storage.conditional_writes import StoreUnavailable
from service.storage.revocations import RevokingStore
from service.token_issuance import Issuance, Issued
from tests.fakes.clock import SimulatedClock
from tests.fakes.errors import client_error
from tests.fakes.intercepted import Intercepted
from tests.fakes.scheduler import Scheduler
from tests.fakes.tables import Tables

Attempt = Callable[[], Any]

NOW = 1_800_000_000
ISSUER, REDIRECT, VERIFIER = "https://auth.example", "https://web.example/callback", "v" * 43
CLIENT = Client("web", "Web", (REDIRECT,), ("profile",), ISSUER)
STATE, TOKENS, REVOCATIONS = TABLES = "state", "tokens", "revocations"
CALL_MS = (2, 20)
CONTESTANTS = (2, 32)
ARRIVE_WITHIN_MS = (0, 30)
"""In every other race all arrive at one instant; in the others within a few calls' time, so that some come between two writes."""
WRITES = frozenset({"put_item", "update_item"})
PROCESSES = 2


class Kind(Enum):
    """What the contestants do, all at once."""

    REDEEM = "redemptions of one code"
    REFRESH = "refreshes with one token"
    REPLAY = "replays of a redeemed code, and refreshes with its token"
    REVOKE = "one revocation, and refreshes with one token"


@dataclass(frozen=True)
class Faults:
    """How often a write goes wrong, as shares of all writes.

    lost: it took effect, its answer did not arrive, and the SDK sends it again.
    late: it takes effect, and its client gets a timeout.
    throttled: it has no effect, and the SDK gives up.
    cut: it takes effect, and from there on no answer arrives: neither its own, nor that of another call of the same request. Who
        gets a 503 then sends the same request again, until there is an answer.
    """

    lost: float = 0.0
    late: float = 0.0
    throttled: float = 0.0
    cut: float = 0.0


NONE, LOST, ALL = Faults(), Faults(lost=0.3), Faults(lost=0.1, late=0.1, throttled=0.1)
CUT = Faults(cut=0.3)
SENDINGS = 100


@dataclass(frozen=True)
class Outcome:
    """How a race came out.

    issued: who got tokens; doubled: how many of them should not have, because another client had or did.
    refused: who got invalid_grant; unavailable: who got a 503 and may try again.
    living: families that count and whose tokens a client holds; abandoned: those whose tokens no client got.
    usable: refresh tokens that were issued in the race and are alive, each counted once.
    ended: whether a revocation was answered with success.
    """

    kind: Kind
    contestants: int
    faults: Faults
    issued: int
    doubled: int
    refused: int
    unavailable: int
    living: int
    abandoned: int
    usable: int
    ended: bool
    grace_seconds: int = 0

    @property
    def violations(self) -> list[str]:
        """What must hold and did not, in words."""
        # Without faults nothing excuses a client that did nothing wrong; an SDK that sends again does not either.
        calm = self.faults in {NONE, LOST}
        graced = self.grace_seconds > 0
        checks = {
            "a grant was used twice": self.doubled and not graced,
            "two refresh tokens are alive": self.usable > 1,
            "a token is alive after a replay was refused": self.living
            and self.refused
            and self.kind is not Kind.REVOKE,
            "a token is alive after its revocation": self.living and self.ended,
            # In the grace period another may take a token's place while its answer is lost.
            "somebody was told 503 though nothing failed": calm
            and self.unavailable
            and not (graced and self.faults is LOST),
            "nobody got the tokens": calm and self.kind in {Kind.REDEEM, Kind.REFRESH} and self.issued == 0,
            "the only client's token is dead": (calm or self.faults is CUT)
            and self.contestants == 1
            and (self.issued, self.usable, self.living) != (1, 1, 1),
            "a client that refreshed at once in the grace period has no token": calm
            and graced
            and self.kind is Kind.REFRESH
            and (self.refused, self.usable) != (0, 1),
            "a family that nobody was given is alive": calm and self.abandoned,
        }
        return [description for description, violated in checks.items() if violated]


class Race:
    """One world with one grant, and clients that want it.

    Args:
        seed: of everything that is left to chance.
        store: the store to race over; a mutant of it where the race itself is on trial.
        grace_seconds: the grace period of refresh tokens.
    """

    def __init__(
        self, seed: int, *, faults: Faults = NONE, store: type[RevokingStore] = RevokingStore, grace_seconds: int = 0
    ) -> None:
        self._random = Random(seed)
        self._faults, self._grace_seconds = faults, grace_seconds
        self._cut_off: set[int] = set()
        self._clock = SimulatedClock()
        self.scheduler = Scheduler(lambda names: self._random.randrange(len(names)), self._clock)
        self._tables = Tables(*TABLES)
        networked = Intercepted(self._tables, self._over_the_network)
        self._calm = self._issuance(RevokingStore(self._tables, *TABLES))
        self._racing = self._issuance(store(networked, *TABLES))

    def run(self, kind: Kind, contestants: int) -> Outcome:
        """Let the contestants race; return what came of it, as a store that nothing is wrong with sees it."""
        redeem = partial(self._racing.redeem, CodeGrant(self._code(), REDIRECT, VERIFIER), CLIENT, NOW)
        if kind is Kind.REDEEM:
            return self._outcome(kind, [], [redeem] * contestants, held=set())
        first = self._calm.redeem(*redeem.args)
        family = credentials.parse(first.refresh_token, credentials.Kind.REFRESH).family
        refresh = partial(self._racing.refresh, RefreshGrant(first.refresh_token, None), CLIENT, NOW)
        revoke = partial(self._racing.store.revoke, family, families.Cause.REQUEST, NOW, synthetic=False)
        rivals = {
            Kind.REFRESH: [],
            Kind.REPLAY: [redeem] * self._random.randint(1, contestants),
            Kind.REVOKE: [revoke],
        }[kind]
        return self._outcome(kind, rivals, [refresh] * (contestants - len(rivals)), held={family})

    def _outcome(self, kind: Kind, rivals: list[Attempt], clients: list[Attempt], held: set[str]) -> Outcome:
        within_ms = self._random.choice(ARRIVE_WITHIN_MS)
        arrivals = [partial(self._arrive, attempt, within_ms) for attempt in [*rivals, *clients]]
        writers = [self.scheduler.spawn(f"{number}", arrival) for number, arrival in enumerate(arrivals)]
        self.scheduler.run()
        for writer in writers:
            if writer.error is not None and not isinstance(writer.error, InvalidGrant | StoreUnavailable):
                raise writer.error
        issued = [isinstance(writer.result, Issued) for writer in writers]
        # A client that sends a request again that was cut off gets what it would have got: one and the same token.
        last = {
            one.refresh_token for one in (writer.result for writer in writers[len(rivals) :]) if isinstance(one, Issued)
        }
        used = len(last) if self._faults.cut else sum(issued[len(rivals) :])
        held = held | {writer.result.access_token for writer in writers if isinstance(writer.result, Issued)}
        alive = self._alive()
        tokens = {writer.result.refresh_token for writer in writers if isinstance(writer.result, Issued)}
        return Outcome(
            kind=kind,
            contestants=len(writers),
            faults=self._faults,
            issued=sum(issued),
            doubled=sum(issued[: len(rivals)]) + max(0, used - 1),
            refused=sum(isinstance(writer.error, InvalidGrant) for writer in writers),
            unavailable=sum(isinstance(writer.error, StoreUnavailable) for writer in writers),
            living=len(alive.keys() & held),
            abandoned=len(alive.keys() - held),
            usable=len({credentials.digest(token) for token in tokens} & {*alive.values()}),
            ended=kind is Kind.REVOKE and writers[0].error is None,
            grace_seconds=self._grace_seconds,
        )

    def _arrive(self, attempt: Attempt, within_ms: int) -> Any:
        self.scheduler.pause(self._random.uniform(0, within_ms) / 1000)
        for _ in range(SENDINGS if self._faults.cut else 0):
            try:
                return attempt()
            except StoreUnavailable:
                self._cut_off.discard(threading.get_ident())
                self.scheduler.pause(1)
        return attempt()

    def _issuance(self, store: RevokingStore) -> Issuance:
        return Issuance(ISSUER, store, self, self._random.randbytes, self._grace_seconds, self.scheduler.pause)

    def sign(self, token: AccessToken) -> str:
        """Sign for the issuance: it is not verified here, so the token is its family's name. It takes a key's time."""
        self._travel()
        return token.family

    def _code(self) -> str:
        credential = credentials.mint(credentials.Kind.CODE, self._random.randbytes(32), synthetic=False)
        code = Code(
            digest=credential.digest, synthetic=False, client_id=CLIENT.client_id, redirect_uri=REDIRECT, scope=CLIENT.scopes,
            audience=CLIENT.audience, subject="demo:ada", code_challenge=pkce.challenge_of(VERIFIER), session=None,
            session_expires_at=NOW + 3600, epoch=0, expires_at=NOW + codes.LIFETIME_SECONDS,
        )  # fmt: skip
        self._tables.put_item(TableName=STATE, Item=item_codec.encode_code(code))
        return credential.text

    def _alive(self) -> dict[str, str]:
        """The families that count, by the names under which they are stored, and the digests of their current tokens."""
        stored = self._tables.scan(TableName=TOKENS)["Items"]
        names = [item["pk"]["S"].removeprefix("family#") for item in stored]
        found = [
            item_codec.decode_family(name, item, synthetic=False) for name, item in zip(names, stored, strict=True)
        ]
        return {one.family_id: one.refresh_hash for one in found if families.phase(one, NOW, 0) is families.Phase.LIVE}

    def _travel(self) -> None:
        self.scheduler.pause(self._random.uniform(*CALL_MS) / 2000)

    def _over_the_network(self, operation: str, _params: Mapping[str, Any], call: Callable[[], Any]) -> Any:
        self._travel()
        if threading.get_ident() in self._cut_off:
            raise ReadTimeoutError(endpoint_url="simulated")
        fate = self._random.random() if operation in WRITES else 1.0
        faults = self._faults
        lost, late, throttled, cut = accumulate((faults.lost, faults.late, faults.throttled, faults.cut))
        if late <= fate < throttled:
            raise client_error("ProvisionedThroughputExceededException")
        with suppress(ClientError) if fate < cut else nullcontext():
            answer = call()
        self._travel()
        if throttled <= fate < cut:
            self._cut_off.add(threading.get_ident())
            raise ReadTimeoutError(endpoint_url="simulated")
        if lost <= fate < late:
            raise ReadTimeoutError(endpoint_url="simulated")
        if fate < lost:
            answer = call()
            self._travel()
        return answer


def violations(
    kind: Kind,
    seed: int,
    *,
    faults: Faults = NONE,
    most: int = CONTESTANTS[1],
    store: type[RevokingStore] = RevokingStore,
    grace_seconds: int = 0,
) -> list[str]:
    """Run one race of 2 to `most` contestants, as many as the seed says; return what must hold and did not."""
    contestants = Random(f"{seed} contestants").randint(CONTESTANTS[0], most)
    return Race(seed, faults=faults, store=store, grace_seconds=grace_seconds).run(kind, contestants).violations


def violated(kind: Kind, seeds: range, faults: Faults = NONE, grace_seconds: int = 0) -> dict[str, int]:
    """Run a race for each seed, on all processors; return how often what must hold did not."""
    shares = [range(start, seeds.stop, PROCESSES) for start in range(seeds.start, seeds.start + PROCESSES)]
    with ProcessPoolExecutor(PROCESSES) as processes:
        return dict(sum(processes.map(partial(_counted, kind, faults, grace_seconds), shares), Counter()))


def _counted(kind: Kind, faults: Faults, grace_seconds: int, seeds: Iterable[int]) -> Counter[str]:
    return Counter(
        violation for seed in seeds for violation in violations(kind, seed, faults=faults, grace_seconds=grace_seconds)
    )
