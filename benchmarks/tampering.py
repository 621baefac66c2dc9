"""How many manipulations of the evidence `orchestrator evidence verify` finds.

An attacker who may write everything in the ledger and in the bucket, but not sign, changes the evidence of six drills:
by each structural attack, and at random by a seed. Each time the evidence is verified with the public key and the second
place. A manipulation that no fault names is missed.

Run `python -m benchmarks.tampering`, with `--json` for one JSON object.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from random import Random

from benchmarks import Line, report
from tests.evidence_attacks import STRUCTURAL, Attacker, recorded, tamper
from tests.fakes.evidence import EvidenceInMemory

TAMPERINGS = 1000


def measure(tamperings: int = TAMPERINGS) -> tuple[list[Line], list[str]]:
    """Return the lines and notes of the benchmark.

    Args:
        tamperings: how many random ones.
    """
    genuine = recorded()
    if genuine.chain.verify_chain():
        raise AssertionError("the evidence has a fault before any manipulation")
    missed = [name for name, attack in STRUCTURAL.items() if not _is_found(genuine, attack)]
    lines = [_line("structural attacks found", len(STRUCTURAL), len(missed))]
    kinds: Counter[str] = Counter()
    unnoticed = []
    for seed in range(tamperings):
        random = Random(seed)
        memory = genuine.copy()
        kind = tamper(Attacker(memory), random)
        kinds[kind] += 1
        if not memory.chain.verify_chain():
            unnoticed.append(f"seed {seed}: {kind}")
    lines.append(_line("random tamperings found", tamperings, len(unnoticed)))
    notes = [f"{count:>4} x {kind}" for kind, count in sorted(kinds.items())]
    return lines, [*notes, *(f"missed: {one}" for one in (*missed, *unnoticed))]


def _is_found(genuine: EvidenceInMemory, attack: Callable[[Attacker], None]) -> bool:
    memory = genuine.copy()
    attack(Attacker(memory))
    return bool(memory.chain.verify_chain())


def _line(name: str, tried: int, missed: int) -> Line:
    return Line(name, tried - missed, "", tried, "limit: all", lower_is_better=False)


def main() -> int:
    """Measure and print the report."""
    return report("tampering", *measure())


if __name__ == "__main__":
    sys.exit(main())
