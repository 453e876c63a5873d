"""The JSON Schema (draft 7) that editors complete and check policy files with. Pure.

`load` stays the judge: a schema cannot know whether a condition names a selection that exists.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from auditor.adminapi.fields import Field, Type
from auditor.inventory.schema import KINDS, fields_of, is_open
from auditor.policy.files import CorrelationBody, CorrelationFile, RuleFile, StateFile
from auditor.policy.modifiers import FLAGS, TIME_PARTS, fitting, known_modifiers

Schema = dict[str, Any]

DIALECT = "http://json-schema.org/draft-07/schema#"

_PARAMETER = "^%[a-z][a-z0-9_]*%$"
_DURATION = r"^([0-9]{1,9}[smhdw])+$"
_FLAGGED = rf"(?!(?!.*\|re(\||$)).*\|({'|'.join(FLAGS)})(\||$))"
"""No flag of `re` without it: what editors know of regular expressions can say that."""
_KINDS = tuple(kind for kind in KINDS if not is_open(kind))


def editor_schema() -> Schema:
    """The schema of one document of a policy file: a state policy, an event rule or a correlation."""
    definitions: Schema = {"parameter": {"type": "string", "pattern": _PARAMETER}, **_values()}
    shapes = {name: _shape(model, definitions) for name, model in _MODELS.items()}
    definitions |= {
        "condition": _one_or_many({"type": "string", "minLength": 1}),
        "rule": _rule(shapes["rule"]),
        "correlation": _correlation(shapes["correlation"], definitions),
        "state": _state(shapes["state"]),
    }
    for kind in _KINDS:
        definitions |= _of_kind(kind)
    return {
        "$schema": DIALECT,
        "title": "A policy of auditor",
        "description": "A policy for the state of a resource, a Sigma rule for audit events, or a Sigma correlation.",
        "type": "object",
        "if": {"required": ["correlation"]},
        "then": _ref("correlation"),
        "else": {"if": {"required": ["logsource"]}, "then": _ref("rule"), "else": _ref("state")},
        "definitions": definitions,
    }


_MODELS: Mapping[str, type[BaseModel]] = {"state": StateFile, "rule": RuleFile, "correlation": CorrelationFile}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _one_or_many(one: Schema) -> Schema:
    return {"anyOf": [one, {"type": "array", "minItems": 1, "items": one}]}


def _shape(model: type[BaseModel], definitions: Schema) -> Schema:
    """What the model of a file asks for; what it refers to goes into `definitions`."""
    shape = model.model_json_schema(ref_template="#/definitions/{model}")
    definitions |= shape.pop("$defs", {})
    properties = shape["properties"]
    if "Level" in definitions:
        definitions["Level"]["enum"] = sorted({*definitions["Level"]["enum"], "info"})
    properties["params"] = {
        "type": "object",
        "propertyNames": {"pattern": "^[a-z][a-z0-9_]*$"},
        "additionalProperties": _one_or_many_or_none({"type": ["string", "number", "boolean", "null"]}),
        "description": "Names to values; `%name%` stands for the value, and auditor.yaml may set another one.",
    }
    return shape


def _one_or_many_or_none(one: Schema) -> Schema:
    return {"anyOf": [one, {"type": "array", "items": one}]}


def _state(shape: Schema) -> Schema:
    properties = shape["properties"]
    properties["resource"] = {"enum": list(_KINDS), "description": "The kind of resource that is judged."}
    properties["allowed"] = {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "properties": {
            name: {"anyOf": [{"type": "integer", "minimum": 0}, _ref("parameter")]} for name in ("min", "max")
        },
        "description": "How many may match; by default none.",
    }
    shape["required"] = sorted({*shape["required"], "name", "examples"})
    shape["allOf"] = [
        {
            "if": {"required": ["resource"], "properties": {"resource": {"const": kind}}},
            "then": {
                "properties": {
                    "detection": _ref(f"detection of {kind}"),
                    "applies_to": _ref(f"selection of {kind}"),
                    "examples": {"items": _ref(f"example of {kind}")},
                }
            },
        }
        for kind in _KINDS
    ]
    return shape


def _of_kind(kind: str) -> Schema:
    fields = fields_of(kind)
    named: Schema = {}
    for name, field in fields.items():
        named[name] = _value_of(field, ())
        named |= {f"{name}|{each}": _value_of(field, (each,)) for each in _alone(field)}
    mapping: Schema = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": named,
        "patternProperties": dict(_chains(fields)),
    }
    return {
        f"fields of {kind}": mapping,
        f"selection of {kind}": _one_or_many(_ref(f"fields of {kind}")),
        f"detection of {kind}": {
            "type": "object",
            "required": ["condition"],
            "minProperties": 2,
            "properties": {"condition": _ref("condition")},
            "additionalProperties": _ref(f"selection of {kind}"),
        },
        f"example of {kind}": _example(fields),
    }


def _alone(field: Field) -> list[str]:
    """The modifiers that may be a field's only one."""
    return [each for each in fitting(field.type, own=True) if each not in FLAGS]


def _chains(fields: Mapping[str, Field]) -> Iterator[tuple[str, Schema]]:
    """Several modifiers after one field: whatever order, `load` says what does not go together."""
    by_type: dict[Type, list[str]] = {}
    for name, field in fields.items():
        by_type.setdefault(field.type, []).append(re.escape(name))
    for kind, names in by_type.items():
        modifiers = "|".join(fitting(kind, own=False))
        yield rf"^{_FLAGGED}({'|'.join(names)})(\|({modifiers})){{2,}}$", {}


def _example(fields: Mapping[str, Field]) -> Schema:
    """Fields by their dotted names, or nested as the API sends them."""
    names: Schema = {name: {} for field in fields for name in (field, field.partition(".")[0])}
    resource: Schema = {"type": "object", "additionalProperties": False, "properties": names}
    hidden: Schema = {"type": "array", "items": {"enum": list(fields)}}
    several: Schema = {"type": "array", "items": resource}
    one_of = [{"required": ["resource"]}, {"required": ["resources"]}]
    properties: Schema = {"resource": resource, "resources": several, "gaps": hidden, "event": False, "events": False}
    return {"properties": properties, "oneOf": one_of}


def _rule(shape: Schema) -> Schema:
    """A rule may name any field, and every modifier that runs here."""
    modifiers = "|".join(known_modifiers(own=False))
    mapping: Schema = {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": rf"^{_FLAGGED}[^|]*(\|({modifiers}))*$"},
    }
    keyword: Schema = {"type": ["string", "number"]}
    shape["properties"]["logsource"] = {
        "type": "object",
        "required": ["product"],
        "properties": {"product": {"const": "openai"}, "service": {"const": "audit"}},
    }
    shape["properties"]["detection"] = {
        "type": "object",
        "required": ["condition"],
        "minProperties": 2,
        "properties": {"condition": _ref("condition"), "timeframe": {}},
        "additionalProperties": _one_or_many({"anyOf": [mapping, keyword]}),
    }
    return shape


def _correlation(shape: Schema, definitions: Schema) -> Schema:
    """Of the lists in its body one text is enough where there is only one."""
    properties = definitions[CorrelationBody.__name__]["properties"]
    for name in ("rules", "group-by"):
        properties[name] = {"anyOf": [{"type": "string"}, properties[name]]}
    return shape


_PLAIN: Mapping[Type, Schema] = {
    Type.STRING: {"type": ["string", "integer", "null"]},
    Type.STRINGS: {"type": ["string", "integer", "null"]},
    Type.INTEGER: {"type": ["integer", "null"]},
    Type.NUMBER: {"type": ["number", "null"]},
    Type.BOOLEAN: {"type": ["boolean", "null"]},
    Type.TIME: {"type": ["integer", "null"]},
    Type.ANY: {"type": ["string", "number", "boolean", "null"]},
}
_TAKEN: Mapping[str, Schema] = {
    "text": {"type": "string"},
    "number": {"type": "number"},
    "truth": {"type": "boolean"},
    "duration": {"type": "string", "pattern": _DURATION},
    "addresses": {"type": "integer", "minimum": 0},
    **{part: {"type": "integer", "minimum": least, "maximum": most} for part, (least, most) in TIME_PARTS.items()},
}
_TAKES: Mapping[str, str] = {
    **dict.fromkeys(("older_than", "newer_than", "within"), "duration"),
    **dict.fromkeys(("gt", "gte", "lt", "lte"), "number"),
    **{part: part for part in TIME_PARTS},
    "wider_than": "addresses",
    "exists": "truth",
}
"""What a modifier takes; a text where nothing else is said."""
_LIKE_THE_FIELD = frozenset({"all", "expand", "neq"})


def _values() -> Schema:
    """What a comparison may be with, for each type of field and each kind of modifier."""
    plain = {f"value like {kind}": _or_parameter(shape) for kind, shape in _PLAIN.items()}
    return plain | {f"value as {name}": _or_parameter(shape) for name, shape in _TAKEN.items()}


def _or_parameter(one: Schema) -> Schema:
    return _one_or_many({"anyOf": [one, _ref("parameter")]})


def _value_of(field: Field, modifiers: Iterable[str]) -> Schema:
    for each in modifiers:
        if each not in _LIKE_THE_FIELD:
            return _ref(f"value as {_TAKES.get(each, 'text')}")
    return _ref(f"value like {field.type}")
