"""The page docs/reference/parity.md: written from outcomes, and read back by the tests that hold it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.aws_operations import called_operations
from tests.contract.parity.case import Case, Outcome
from tests.contract.parity.cases import CASES
from tests.contract.parity.operations import used_operations

PAGE = Path(__file__).resolve().parents[3] / "docs/reference/parity.md"
EMULATORS = ("stock", "ours", "moto")
AGREE, DIFFER, NOT_COVERED = "agree", "differ", "not covered"
_VERDICTS = (AGREE, DIFFER, NOT_COVERED)

_INTRO = """\
# Parity with AWS

For reviewers who ask how far the [local cloud](local-cloud.md) answers as AWS does. After this page
you know which answers were compared, what AWS answers, and where the local cloud differs.

LocalStack's public repository holds answers that its makers recorded on AWS. Each case below is a
request of ours and the facts of AWS's recorded answer: error code, HTTP status, the fixed part of a
message, states, values. None depends on time. None of that repository's code or data is used.
`tests/contract/parity/cases` names the recording of each case.

`python -m tests.contract.parity` sends every request to MiniStack without patches (stock), to the
local cloud (ours) and to moto, and writes this page. `tests/contract/test_parity.py` sends them to
the local cloud again: a case may not get worse, and a difference may not be missing here.
`not covered` means that the emulator does not have the operation, or failed with an internal error.
"""

Verdicts = Mapping[str, str]


def case_key(case: Case) -> str:
    """Return what identifies a case on the page."""
    return f"{case.operation}: {case.title}".replace("|", "\\|")


def percentage(verdicts: Iterable[str]) -> float:
    """Return the share of ``agree`` in percent."""
    counts = Counter(verdicts)
    return 100 * counts[AGREE] / sum(counts.values())


@dataclass(frozen=True)
class Row:
    """A case on the page, with its verdict by emulator."""

    key: str
    verdicts: Verdicts

    @property
    def operation(self) -> str:
        return self.key.partition(": ")[0]


def render(outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    """Return the page. `outcomes`: by emulator, in the order of `CASES`."""
    sections = [
        _INTRO,
        _figures(outcomes),
        _operations(outcomes),
        _differences(outcomes["ours"]),
        _not_recorded(),
        _cases(outcomes),
    ]
    return "\n".join(sections)


def read(text: str) -> list[Row]:
    """Return the cases of a page."""
    section = text.split("## Every case\n")[1]
    cells = [re.split(r"(?<!\\) \| ", line.strip("| \n")) for line in section.splitlines() if line.startswith("| ")]
    return [
        Row(row[0].replace("`", ""), dict(zip(EMULATORS, row[2:], strict=True)))
        for row in cells
        if row[0] not in {"case", "---"}
    ]


def _figures(outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    used = used_operations()
    lines = ["## Figures\n", "| cases | number | stock | ours | moto |", "|---|---|---|---|---|"]
    in_use = "on operations that the product uses"
    patterns = {"events:TestEventPattern"}
    for title, wanted in ((in_use, used), (f"{in_use}, without event patterns", used - patterns), ("all", None)):
        chosen = {
            name: [one.verdict for one in found if wanted is None or one.case.operation in wanted]
            for name, found in outcomes.items()
        }
        shares = " | ".join(f"{percentage(chosen[name]):.1f} % agree" for name in EMULATORS)
        lines.append(f"| {title} | {len(chosen['ours'])} | {shares} |")
    return "\n".join([*lines, ""])


def _operations(outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    used = used_operations()
    lines = [
        "## By operation\n",
        "Each cell: agree / differ / not covered. Used: by the product, or by CloudFormation for it.\n",
        "| operation | used | stock | ours | moto |",
        "|---|---|---|---|---|",
    ]
    for operation in dict.fromkeys(case.operation for case in CASES):
        cells = []
        for name in EMULATORS:
            counts = Counter(one.verdict for one in outcomes[name] if one.case.operation == operation)
            cells.append(" / ".join(str(counts[verdict]) for verdict in _VERDICTS))
        lines.append(f"| `{operation}` | {'yes' if operation in used else 'no'} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _differences(ours: Sequence[Outcome]) -> str:
    used = used_operations()
    lines = [
        "## Differences of the local cloud\n",
        "| case | used | AWS | local cloud |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {case_key(one.case)} | {'yes' if one.case.operation in used else 'no'} | "
        f"{_code(_expected(one.case))} | {_code(one.answer)} |"
        for one in ours
        if one.verdict != AGREE
    ]
    return "\n".join([*lines, ""])


def _not_recorded() -> str:
    services = {case.service for case in CASES}
    recorded = {case.operation for case in CASES}
    missing = sorted(
        f"`{operation.service}:{operation.name}`"
        for operation in called_operations()
        if operation.service in services and f"{operation.service}:{operation.name}" not in recorded
    )
    return "\n".join(
        [
            "## Without a case\n",
            "Operations of these services that the product calls and no case compares:\n",
            *(f"- {name}" for name in missing),
            "",
        ]
    )


def _cases(outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    lines = ["## Every case\n", "| case | recording | stock | ours | moto |", "|---|---|---|---|---|"]
    for number, case in enumerate(CASES):
        verdicts = " | ".join(outcomes[name][number].verdict for name in EMULATORS)
        lines.append(f"| {_code(case_key(case))} | {_code(case.recording)} | {verdicts} |")
    return "\n".join([*lines, ""])


def _expected(case: Case) -> str:
    return re.sub(r"re\.compile\((.*)\)", r"\1", re.sub(r"\s+", " ", str(case.expected)))


def _code(text: str) -> str:
    escaped = re.sub(r"(?<!\\)\|", r"\\|", text.replace("`", "'"))
    return f"`{escaped}`"
