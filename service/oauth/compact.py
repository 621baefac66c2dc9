"""JSON without spaces, by one encoder that is made once: `json.dumps` makes another for every call that asks for separators."""

from __future__ import annotations

import json
from typing import Final

to_json: Final = json.JSONEncoder(separators=(",", ":")).encode
"""Return a value as JSON text, in ASCII."""
