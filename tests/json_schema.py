"""JSON Schema in tests, and the schemas of our events.

``jsonschema`` is imported at its first use: it builds 38 grammars of URIs, for 3 s, and every worker imports all test modules.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

EVENT_SCHEMAS: Final[Mapping[str, Any]] = json.loads(
    (Path(__file__).resolve().parents[1] / "docs/reference/events/schemas.json").read_bytes()
)["$defs"]
"""Detail type of an event to the schema of its detail."""


def validate_event(detail_type: str, detail: Mapping[str, Any]) -> None:
    """Hold an event's detail against its schema. Raises jsonschema.ValidationError."""
    from jsonschema import validate

    validate(detail, EVENT_SCHEMAS[detail_type])


def draft7_validator(schema: Mapping[str, Any]) -> Any:
    """Return a validator of a schema, which is itself valid. Raises jsonschema.SchemaError."""
    from jsonschema import Draft7Validator

    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)
