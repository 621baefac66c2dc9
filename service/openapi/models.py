"""What all models have in common, and how their JSON schemas are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import SkipJsonSchema, models_json_schema

Left: TypeAlias = SkipJsonSchema[None]
"""In the type of what may be left out: there is no null in these forms and answers."""

REFERENCES: Final = "#/components/schemas/{model}"


class Model(BaseModel):
    """What a request or an answer is made of.

    A model knows every member that there is, so that a test finds an answer with one that nobody described. The document says
    nothing of that: whoever reads answers has to ignore what they do not know, and members may be added.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


def with_example(**members: Any) -> ConfigDict:
    """Return a model's configuration with an example in its schema."""
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [members]})


def schemas(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """Return the JSON schemas of models and of all that they refer to, by name (JSON Schema 2020-12, as in OpenAPI 3.1)."""
    _, document = models_json_schema([(model, "validation") for model in models], ref_template=REFERENCES)
    return {name: _plain(schema, member=False) for name, schema in sorted(document["$defs"].items())}


def _plain(schema: Any, *, member: bool) -> Any:
    """Return a schema without what pydantic adds: titles made of names, nulls for what is left out, a ban on other members."""
    if isinstance(schema, list):
        return [_plain(one, member=False) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if member:  # the names here are those of an object's members
        return {name: _plain(one, member=False) for name, one in schema.items()}
    left_out = {"title", "additionalProperties"} if schema.get("additionalProperties") is False else {"title"}
    return {
        key: value if key in {"examples", "const", "enum"} else _plain(value, member=key == "properties")
        for key, value in schema.items()
        if key not in left_out and not (key == "default" and value is None)
    }
