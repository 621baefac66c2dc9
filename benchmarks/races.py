"""Races for one grant: how often is it used twice, and does a token stay valid after a replay?

The real Issuance and Store race in simulated time (tests/grants/races.py): 2 to 32 contestants, 2 to 20 ms a call. For
comparison, Authlib's Flask server races under the same scheduler, with an in-memory store of the same latency. Our own
code with one injected defect shows that the races detect defects.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from random import Random
from urllib.parse import urlencode

from benchmarks import Line, report
from benchmarks.authlib_server import REDIRECT, Peer, environ
from service.oauth import pkce
from tests.fakes.clock import SimulatedClock
from tests.fakes.scheduler import Scheduler
from tests.grants import mutants
from tests.grants.races import CALL_MS, CONTESTANTS, NONE, PROCESSES, VERIFIER, Kind, violated, violations

RACES, PEER_RACES, MUTANT_RACES = 10_000, 500, 100
FEW = 3
"""The most contestants in races of defective stores. With more, some defects are masked by other calls."""
FAULTY = (
    (mutants.RedeemsWhatIsRedeemed, Kind.REDEEM),
    (mutants.ReadsThenWrites, Kind.REDEEM),
    (mutants.StoresTheFamilyLast, Kind.REDEEM),
    (mutants.RotatesWhatIsNotCurrent, Kind.REFRESH),
    (mutants.WritesTheWholeFamily, Kind.REPLAY),
)


@dataclass(frozen=True)
class PeerRace:
    """Whether a grant was used twice, and whether a token issued from it is still valid after the race."""

    doubled: bool
    living: bool


def peer_race(kind: Kind, seed: int) -> PeerRace:
    """Run one race for a grant of the peer."""
    random, clock = Random(seed), SimulatedClock()
    scheduler = Scheduler(lambda names: random.randrange(len(names)), clock)
    peer = Peer(wait=lambda: scheduler.pause(random.uniform(*CALL_MS) / 1000))
    if kind is Kind.REDEEM:
        code = peer.keep_code(pkce.challenge_of(VERIFIER))
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    else:
        form = {"grant_type": "refresh_token", "refresh_token": peer.keep_refresh_token()}
    body = urlencode({"client_id": "native", **form}).encode()
    contestants = Random(f"{seed} contestants").randint(*CONTESTANTS)
    before = set(peer.memory.tokens)
    writers = [scheduler.spawn(str(number), partial(peer, environ(body))) for number in range(contestants)]
    scheduler.run()
    errors = [writer.error for writer in writers if writer.error is not None]
    if errors:
        raise errors[0]
    issued = [token for name, token in peer.memory.tokens.items() if name not in before]
    won = sum(writer.result[0] == "200 OK" for writer in writers)
    if not won:
        raise AssertionError("no contestant succeeded, so this was no race")
    return PeerRace(won > 1, any(not token.revoked for token in issued))


def _peer_races(kind: Kind, seeds: Sequence[int]) -> Counter[str]:
    with redirect_stdout(StringIO()):
        races = [peer_race(kind, seed) for seed in seeds]
    return Counter(doubled=sum(race.doubled for race in races), living=sum(race.living for race in races))


def _mutant_races(seeds: Sequence[int]) -> list[str]:
    return [
        f"{store.__name__} ({kind.name.lower()}): "
        f"{sum(bool(violations(kind, seed, most=FEW, store=store)) for seed in seeds)}"
        for store, kind in FAULTY
    ]


def _on_all_processors(count: Callable[[Sequence[int]], Counter[str]], races: int) -> Counter[str]:
    shares = [range(start, races, PROCESSES) for start in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES) as processes:
        return sum(processes.map(count, shares), Counter())


def measure(
    *, races: int = RACES, peer_races: int = PEER_RACES, mutant_races: int = MUTANT_RACES
) -> tuple[list[Line], list[str]]:
    """Run the races of our code, of the peer and of our defective stores; return the lines and notes."""
    lines, notes = [], []
    for kind in (Kind.REDEEM, Kind.REFRESH):
        violation_counts = violated(kind, range(races), NONE)
        peer = _on_all_processors(partial(_peer_races, kind), peer_races)
        doubled = violation_counts.get("a grant was used twice", 0)
        word = "redemption" if kind is Kind.REDEEM else "refresh"
        lines += [
            Line(f"{word}: used twice, of {races} races", doubled, "", 0, "limit"),
            Line(f"{word}: other violations", sum(violation_counts.values()) - doubled, "", 0, "limit"),
        ]
        notes.append(
            f"Authlib, {word}: used twice in {peer['doubled']} of {peer_races} races "
            f"({peer['doubled'] / peer_races:.0%}); in {peer['living']} a token was valid after the race"
        )
    notes.append(
        f"races of {mutant_races}, with 2 to {FEW} contestants, that detect a defect in our own store: "
        f"{'; '.join(_mutant_races(range(mutant_races)))}"
    )
    notes.append(
        "other violations: a valid token after a rejected replay, no success, 503 without a fault, an orphaned family"
    )
    return lines, notes


def main() -> int:
    """Run the races and print the report."""
    lines, notes = measure()
    return report("races", lines, notes)


if __name__ == "__main__":
    sys.exit(main())
