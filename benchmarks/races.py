"""How often is a grant used twice where many want it at once, and does anything live on after a replay?

The real Issuance and Store race on simulated time (tests/grants/races.py): 2 to 32 contestants, 2 to 20 ms a call. Beside them Authlib's Flask server, by the
same scheduler, over a store in memory whose calls take as long; and our own code with one thing broken, which shows that these races can tell.
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
"""Contestants at most in the races of broken stores: some are caught only where the few calls between two writes are not drowned by others."""
FAULTY = (
    (mutants.RedeemsWhatIsRedeemed, Kind.REDEEM),
    (mutants.ReadsThenWrites, Kind.REDEEM),
    (mutants.FoundsTheFamilyLast, Kind.REDEEM),
    (mutants.RotatesWhatIsNotCurrent, Kind.REFRESH),
    (mutants.WritesTheWholeFamily, Kind.REPLAY),
)


@dataclass(frozen=True)
class PeerRace:
    """Whether a grant was used twice, and whether a token that came of it can still be used after all have raced."""

    doubled: bool
    living: bool


def peer_race(kind: Kind, seed: int) -> PeerRace:
    """Let contestants race for one of the peer's grants."""
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
        raise AssertionError("nobody was served: this is no race")
    return PeerRace(won > 1, any(not token.revoked for token in issued))


def _peer_races(kind: Kind, seeds: Sequence[int]) -> Counter[str]:
    with redirect_stdout(StringIO()):
        races = [peer_race(kind, seed) for seed in seeds]
    return Counter(doubled=sum(race.doubled for race in races), living=sum(race.living for race in races))


def _mutant_races(seeds: Sequence[int]) -> list[str]:
    return [
        f"{store.__name__} ({kind.name.lower()}): {sum(bool(violations(kind, seed, most=FEW, store=store)) for seed in seeds)}"
        for store, kind in FAULTY
    ]


def _on_all_processors(count: Callable[[Sequence[int]], Counter[str]], races: int) -> Counter[str]:
    shares = [range(start, races, PROCESSES) for start in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES) as processes:
        return sum(processes.map(count, shares), Counter())


def measure(
    *, races: int = RACES, peer_races: int = PEER_RACES, mutant_races: int = MUTANT_RACES
) -> tuple[list[Line], list[str]]:
    """Run the races of ours, of the peer and of our broken stores."""
    lines, notes = [], []
    for kind in (Kind.REDEEM, Kind.REFRESH):
        told = violated(kind, range(races), NONE)
        peer = _on_all_processors(partial(_peer_races, kind), peer_races)
        doubled = told.get("a grant was used twice", 0)
        word = "redemption" if kind is Kind.REDEEM else "refresh"
        lines += [
            Line(f"{word}: used twice, of {races} races", doubled, "", 0, "limit"),
            Line(f"{word}: anything else that must not be", sum(told.values()) - doubled, "", 0, "limit"),
        ]
        notes.append(
            f"Authlib, {word}: used twice in {peer['doubled']} of {peer_races} races ({peer['doubled'] / peer_races:.0%}); "
            f"in {peer['living']} a token was alive when all had raced"
        )
    notes.append(
        f"races of {mutant_races} with 2 to {FEW} contestants in which our own store is caught with one thing wrong: {'; '.join(_mutant_races(range(mutant_races)))}"
    )
    notes.append(
        "anything else: a token alive after a replay was refused, nobody served, 503 without a fault, a family left behind"
    )
    return lines, notes


def main() -> int:
    """Run the races and report."""
    lines, notes = measure()
    return report("races", lines, notes)


if __name__ == "__main__":
    sys.exit(main())
