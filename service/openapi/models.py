"""The base of all models, and how their JSON schemas are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import SkipJsonSchema, models_json_schema

Omitted: TypeAlias = SkipJsonSchema[None]
"""In the type of an optional member: these forms and responses have no null."""

REFERENCES: Final = "#/components/schemas/{model}"


class Model(BaseModel):
    """A part of a request or a response.

    A model forbids unknown members, so that a test finds undescribed members of a response. The document does not
    state that: clients must ignore unknown members, because members may be added.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


def with_example(**members: Any) -> ConfigDict:
    """Return a model's configuration with an example in its schema."""
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [members]})


def schemas(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """Return the JSON schemas of models and their references, by name (JSON Schema 2020-12, as in OpenAPI 3.1)."""
    _, document = models_json_schema([(model, "validation") for model in models], ref_template=REFERENCES)
    return {name: _plain(schema, member=False) for name, schema in sorted(document["$defs"].items())}


def _plain(schema: Any, *, member: bool) -> Any:
    """Return a schema without pydantic's additions: titles, nulls for optional members, the ban on other members."""
    if isinstance(schema, list):
        return [_plain(item, member=False) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if member:  # the keys are the names of an object's members
        return {name: _plain(value, member=False) for name, value in schema.items()}
    omitted = {"title", "additionalProperties"} if schema.get("additionalProperties") is False else {"title"}
    return {
        key: value if key in {"examples", "const", "enum"} else _plain(value, member=key == "properties")
        for key, value in schema.items()
        if key not in omitted and not (key == "default" and value is None)
    }
