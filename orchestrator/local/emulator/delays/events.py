"""The profile `aws-timing`: EventBridge delivers events late, out of order and sometimes twice.

AWS: an event bus delivers at least once. It may deliver the same event again, and deliver events in another order than
they were put. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-what-is-how-it-works-concepts.html
https://docs.aws.amazon.com/wellarchitected/latest/serverless-applications-lens/idempotent.html
Here each event is delivered after a delay drawn from 0 to `LONGEST_SECONDS`. With the probability `TWICE` it is
delivered once more after another such delay, with the same id. In the profile `instant`, as on stock MiniStack, each
event is delivered once and at once.

Invocations by scheduled rules are not delayed.
"""

from __future__ import annotations

from typing import Final

from orchestrator.local.emulator.delays import delayed
from orchestrator.local.emulator.options import Options

PINNED = {
    "ministack.services.eventbridge._dispatch_event": "d1bfe064f602d11c",
    "ministack.services.eventbridge._put_events": "ebcda0f38061fc62",
}

LONGEST_SECONDS: Final = 2.0
TWICE: Final = 0.2


def install(options: Options) -> None:
    """Install the patch in this process if the profile is `aws-timing`."""
    from ministack.services import eventbridge  # noqa: PLC0415 - only in the server process

    delayed(options, eventbridge, "_dispatch_event", 0, LONGEST_SECONDS, duplicate_probability=TWICE)
