"""A rollback, a drill, a restore or an alarm began or ended: open, continue or resolve the incident of its cause.

The handler pages the first level at once. What it could not announce, and later pages, are the reconcile handler's.
"""

from __future__ import annotations

from orchestrator.application.incidents.incident_log import receive_event
from orchestrator.event_handlers.runtime import event_handler

handler = event_handler(receive_event)
