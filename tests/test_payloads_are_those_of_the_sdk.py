"""A field of a payload that the vendor's package has and we have not would be called a slip in a sound rule."""

import typing
from collections.abc import Iterator

from openai.types.admin.organization.audit_log_list_response import AuditLogListResponse
from pydantic import BaseModel

from auditor.adminapi.eventpayloads import ACTOR, PAYLOADS


def models(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for each in typing.get_args(annotation) for model in models(each)]


def leaves(model: type[BaseModel], above: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        below = models(field.annotation)
        path = f"{above}{field.alias or name}"
        yield from (leaf for each in below for leaf in leaves(each, f"{path}.")) if below else (path,)


def test_every_field_of_the_package_is_known_by_the_type_of_its_event() -> None:
    published = {
        field.alias or name: {leaf for each in models(field.annotation) for leaf in leaves(each)}
        for name, field in AuditLogListResponse.model_fields.items()
    }
    assert published.pop("actor") <= set(ACTOR)
    head = {"id", "type", "effective_at", "project"}
    assert {kind: set(names) for kind, names in PAYLOADS.items()} == {
        kind: names for kind, names in published.items() if kind not in head
    }
