"""The command `contacts`, the emergency page: who to call now and next by level, and whom messages reach."""

from __future__ import annotations

from orchestrator import environments
from orchestrator.application.cloud import now
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.errors import Refused
from orchestrator.domain.incidents.coverage import turns_of


def show_contacts(env: str, *, json: bool) -> None:
    """Print the emergency page of an environment, from its settings alone: it works while AWS does not.

    Raises:
        Refused: there is no such environment.
    """
    if env not in environments.names():
        raise Refused("env", env, f"name one of {', '.join(environments.names())}")
    environment = environments.load(env)
    rota = environment.incidents.rota
    present, following = turns_of(rota, now())[:2] if rota else (None, None)
    pagers = [destination.name for destination in environment.notifications if destination.pages]
    if json:
        escalation = {"escalate_minutes": rota.escalate_minutes, "now": present, "next": following} if rota else None
        print_json({"environment": env, "on_call": escalation, "pagers": pagers, "contacts": environment.contacts})
        return
    screen = console()
    screen.print(f"emergency page of {env}", style="bold", markup=False)
    if rota and present and following:
        screen.print(
            f"a page that is not acknowledged goes to the next level after {rota.escalate_minutes} minutes; next "
            f"handover {present.ends:%Y-%m-%d %H:%M} UTC",
            markup=False,
        )
        rows = [
            (f"level {level}", person, following.people[level - 1])
            for level, person in enumerate(present.people, start=1)
        ]
        screen.print(text_table(("level", "call now", "call next"), rows, ("level", "call now")))
    else:
        screen.print(f"no rota: add [{env}.on_call] to environments.toml", markup=False)
    screen.print(f"pagers: {', '.join(pagers) or 'none'}", markup=False)
    reached = [(audience, ", ".join(addresses) or "none") for audience, addresses in environment.contacts.items()]
    screen.print(text_table(("audience", "e-mail"), reached, ("audience",)))
    screen.print(f"page them: orchestrator incident open TITLE --env {env}", markup=False)
