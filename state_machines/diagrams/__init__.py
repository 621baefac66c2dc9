"""The diagrams of docs/architecture.md, generated from the definitions of the state machines.

``python -m state_machines.diagrams`` rewrites each diagram in the page, between its markers
``<!-- diagram: deployment -->`` and ``<!-- end -->``. The functions are pure; only `main` reads and writes the page.

What is drawn, so that a diagram of forty states can still be read:

- A Choice state that follows a single state is drawn as labels on the arrows of that state. A Choice state that several
  states lead to is drawn as a state. A label is the action that the Choice compares with; the default is `otherwise`.
- A Catch that one or two states share is drawn from these states, with the label `error`.
- A Catch that more states share is drawn once, from one dashed box that stands for an error in any of these states.
- A Catch that leads to the next state anyway is not drawn: that state's failure stops nothing.
- The states of a Map's child executions are not drawn.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from state_machines import definitions

PAGE = definitions.FOLDER.parent / "docs" / "architecture.md"

ERROR_BOX = "AnError"
OTHERWISE = "otherwise"
ERROR = "error"
MOST_DRAWN_SINGLY = 2
"""A Catch that more states than these share is drawn from the dashed box."""

_ANY_ERROR = "States.ALL"
_BLOCK = re.compile(r"(<!-- diagram: (?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

_States = Mapping[str, Mapping[str, Any]]


class _Arrows:
    """Arrows in the order in which they were added; several labels between the same two states share one arrow."""

    def __init__(self) -> None:
        self._labels: dict[tuple[str, str], list[str]] = {}

    def add(self, source: str, target: str, label: str = "") -> None:
        labels = self._labels.setdefault((source, target), [])
        if label and label not in labels:
            labels.append(label)

    def lines(self) -> list[str]:
        return [
            f"    {source} --> {target}" + (f" : {', '.join(labels)}" if labels else "")
            for (source, target), labels in self._labels.items()
        ]


def diagram(definition: definitions.Definition) -> str:
    """Return a state machine as a Mermaid `stateDiagram-v2`, without a trailing newline."""
    states: _States = definition.states
    inlined = _inlined(states)
    arrows = _Arrows()
    arrows.add("[*]", json.loads(definition.text)["StartAt"])
    for name, state in states.items():
        if name not in inlined:
            _add_next(arrows, states, inlined, name, state)
    shared = _add_catches(arrows, states)
    for name, state in states.items():
        if state["Type"] in {"Succeed", "Fail"}:
            arrows.add(name, "[*]")
    box = [f"    {ERROR_BOX} : Error in another state", *shared] if shared else []
    style = ["    classDef dashed stroke-dasharray: 5 5", f"    class {ERROR_BOX} dashed"] if shared else []
    return "\n".join(["stateDiagram-v2", *arrows.lines(), *box, *style])


def with_diagrams(page: str) -> str:
    """Return a page with every diagram between its markers generated anew.

    Raises:
        DefinitionRefused: a marker names no state machine.
    """

    def block(found: re.Match[str]) -> str:
        drawn = diagram(definitions.load(found["name"]))
        return f"{found[1]}```mermaid\n{drawn}\n```\n{found[3]}"

    return _BLOCK.sub(block, page)


def main(page: Path = PAGE) -> None:
    """Rewrite the diagrams in a page."""
    before = page.read_text(encoding="utf-8")
    after = with_diagrams(before)
    page.write_text(after, encoding="utf-8")
    sys.stdout.write(f"{page.name}: {'unchanged' if after == before else 'rewritten'}\n")


def _inlined(states: _States) -> frozenset[str]:
    """The Choice states that exactly one state leads to."""
    sources: dict[str, set[str]] = {}
    for name, state in states.items():
        for target in _targets(state):
            sources.setdefault(target, set()).add(name)
    return frozenset(
        name for name, state in states.items() if state["Type"] == "Choice" and len(sources.get(name, ())) == 1
    )


def _targets(state: Mapping[str, Any]) -> list[str]:
    following = [state["Next"]] if "Next" in state else []
    return [*following, *(target for target, _ in _branches(state)), *(target for target, _ in _catches(state))]


def _branches(state: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where a Choice leads, each with the action that leads there."""
    branches = [(choice["Next"], choice["StringEquals"]) for choice in state.get("Choices", ())]
    return [*branches, (state["Default"], OTHERWISE)] if "Default" in state else branches


def _catches(state: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where a state's errors lead, each with the error that leads there."""
    return [(catch["Next"], error) for catch in state.get("Catch", ()) for error in catch["ErrorEquals"]]


def _add_next(arrows: _Arrows, states: _States, inlined: frozenset[str], name: str, state: Mapping[str, Any]) -> None:
    following = state.get("Next", "")
    if following in inlined:
        for target, action in _branches(states[following]):
            arrows.add(name, target, action)
    elif following:
        arrows.add(name, following)
    for target, action in _branches(state):
        arrows.add(name, target, action)


def _add_catches(arrows: _Arrows, states: _States) -> list[str]:
    """Add the arrows of Catches that few states share; return the lines of those that leave the dashed box."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, state in states.items():
        for target, error in _catches(state):
            if target != state.get("Next"):
                groups.setdefault((target, error), []).append(name)
    shared = {key: sources for key, sources in groups.items() if len(sources) > MOST_DRAWN_SINGLY}
    for (target, error), sources in groups.items():
        for source in () if (target, error) in shared else sources:
            arrows.add(source, target, ERROR if error == _ANY_ERROR else f"{ERROR} {error}")
    # The group of most states comes last: it is what is left when the others do not apply.
    ordered = sorted(shared.items(), key=lambda group: (group[0][1] == _ANY_ERROR, len(group[1])))
    box = _Arrows()
    for position, ((target, error), sources) in enumerate(ordered):
        last = position == len(ordered) - 1
        box.add(ERROR_BOX, target, _box_label(error, sources, last=last, alone=len(ordered) == 1))
    return box.lines()


def _box_label(error: str, sources: list[str], *, last: bool, alone: bool) -> str:
    if error != _ANY_ERROR:
        return error
    if last:
        return "any error" if alone else "any other error"
    return f"any error in {', '.join(sources)}"
