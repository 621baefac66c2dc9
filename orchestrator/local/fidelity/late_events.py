"""The profile `aws-timing`: EventBridge delivers late, not in order, and now and then twice.

AWS: an event bus delivers at least once; the same event may come again, and events may come in another order than they
were put. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-what-is-how-it-works-concepts.html
https://docs.aws.amazon.com/wellarchitected/latest/serverless-applications-lens/idempotent.html
Here each event is delivered after a time drawn from 0 to `LONGEST_SECONDS`, and with the probability `TWICE` once more
after another such time, with the same id. In the profile `instant` each event is delivered once and at once.

Scheduled rules are not events, and come as they do.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from orchestrator.local.fidelity.belt import Belt
from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

PINNED = {
    "ministack.services.eventbridge._dispatch_event": "d1bfe064f602d11c9700f4890bde62c7641b4442a9f2d61da81c075c8186416d",
    "ministack.services.eventbridge._put_events": "ebcda0f38061fc62265a3f72bcc4005a49bb4494392923947544f13c9ee82298",
}

LONGEST_SECONDS: Final = 2.0
TWICE: Final = 0.2


def install(options: Options) -> None:
    """Put the mend in place, in this process, where the profile asks for it."""
    if options.profile != "aws-timing":
        return
    from ministack.services import eventbridge  # noqa: PLC0415 - only in the server process

    drawn = random.Random(options.seed)  # noqa: S311 - delays, not secrets
    belt = Belt("late-events")

    def delayed(original: Callable[..., None]) -> Callable[..., None]:
        def dispatch_event(*given: Any) -> None:
            for _ in range(2 if drawn.random() < TWICE else 1):
                belt.put(drawn.uniform(0, LONGEST_SECONDS), lambda: original(*given))

        return dispatch_event

    wrap(eventbridge, "_dispatch_event", delayed)
