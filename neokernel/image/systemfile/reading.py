"""From a TOML file to its model: each thing that doesn't fit is a finding at its place.

Invariant: whatever the document holds, there is a model or an error, never an exception.
"""

from __future__ import annotations

from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from neokernel.compiler.diagnostics import closest, suggestion
from neokernel.image.systemfile.document import Document, Findings, did_you_mean
from neokernel.image.systemfile.model import Manifest, SystemFile
from neokernel.image.systemfile.units import shortened

M = TypeVar("M", bound=BaseModel)

#: what pydantic calls a type that was expected → what we call it
WANTED = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "`true` or `false`",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}

#: what only the system file says of a service
GRANTING = ("uses", "devices", "interrupts", "dma", "pools", "trusted")

#: what pydantic calls a limit that wasn't kept → the limit's name, and how we say it
LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


def validate(document: Document, kind: type[M], findings: Findings) -> M | None:
    """The document as a model, or what doesn't fit."""
    try:
        return kind.model_validate(document.data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        misspelt = {meant for detail in details if (meant := meant_by(kind, detail)) is not None}
        for detail in details:
            # What is missing because it is misspelt is said once.
            if detail["type"] != "missing" or tuple(detail["loc"]) not in misspelt:
                explain(document, kind, detail, findings)
        return None


def meant_by(kind: type[BaseModel], detail: ErrorDetails) -> tuple[int | str, ...] | None:
    """The key that an unknown one was to be, if there is one like it."""
    *inside, last = detail["loc"] or [""]
    model = model_at(kind, inside) if detail["type"] == "extra_forbidden" else None
    fields = list(model.model_fields) if model is not None else []
    meant = closest(str(last), fields)
    return (*inside, meant) if meant else None


def explain(document: Document, kind: type[BaseModel], detail: ErrorDetails, findings: Findings) -> None:
    """What pydantic found, as a finding."""
    *inside, last = place = [part for part in detail["loc"] if part != "[key]"] or [""]
    context: dict[str, Any] = detail.get("ctx", {})
    sort = detail["type"]
    value = document.value(*place)
    shown = dotted(place)
    match sort:
        case "extra_forbidden":
            model = model_at(kind, inside)
            fields = list(model.model_fields) if model is not None else []
            where = f"in `{dotted(inside)}`" if inside else "here"
            others = [name for name in fields if name not in given(document, inside)]
            help = suggestion(str(last), fields)
            if kind is Manifest and str(last) in GRANTING:
                help = f"a manifest grants nothing: write `{last}` into the system file, at the service"
            help = help or did_you_mean(str(last), others, "others that can be there", "no others can be there")
            findings.error("NK2003", f"unknown key `{shortened(str(last))}` {where}", document.key(*place), help)
        case "missing":
            model = model_at(kind, inside)
            what = model.model_fields[str(last)].description if model else ""
            who = f"`{dotted(inside)}`" if inside else "the file"
            findings.error("NK2004", f"{who} has no `{last}`", document.table(*inside), f"`{last}`: {what}")
        case "name":
            at = document.key(*place) if "[key]" in detail["loc"] else value
            findings.error("NK2007", detail["msg"], at, context["help"])
        case "amount":
            findings.error("NK2005", f"`{shown}`: {detail['msg']}", value, context["help"])
        case "enum":
            words = [word.strip("' ") for word in context["expected"].replace(" or ", ",").split(",")]
            found = detail["input"]
            help = did_you_mean(found if isinstance(found, str) else "", words, "it is one of", "")
            findings.error("NK2006", f"`{shown}` can't be {literal(found)}", value, help)
        case _ if sort in LIMITS:
            name, relation = LIMITS[sort]
            help = f"it is {relation} {context[name]:,}"
            findings.error("NK2006", f"`{shown}` is {literal(detail['input'])}", value, help)
        case "string_too_short" | "string_too_long":
            found = "empty" if sort == "string_too_short" else "too long"
            findings.error("NK2006", f"`{shown}` is {found}", value)
        case _:
            wanted = WANTED.get(sort, "")
            first = 2 if kind is SystemFile else 0
            if place[first : first + 1] == ["config"] and len(place) > first + 1:
                # One error for each type that would do: the place is behind the setting's name.
                place = place[: first + 2]
                value, shown, wanted = document.value(*place), dotted(place), "a number, text, `true` or `false`"
            if not inside and last == "":
                shown = "the file"
            help = f"it is {wanted}" if wanted else detail["msg"]
            findings.error("NK2004", f"`{shown}` is {kind_of(found_at(document, place))}", value, help)


def model_at(kind: type[BaseModel], place: list[Any]) -> type[BaseModel] | None:
    """The model of the table at `place`."""
    found: Any = kind
    for part in place:
        if isinstance(found, type) and issubclass(found, BaseModel):
            field = found.model_fields.get(str(part))
            found = table_type(field.annotation) if field is not None else None
        elif found is not None:  # the values of a dict
            found = found[1]
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def table_type(annotation: Any) -> Any:
    """What stands in a field: a model, or (key, model) of a table of them, whatever else may stand there."""
    if get_origin(annotation) is dict:
        return get_args(annotation)
    for each in get_args(annotation) or (annotation,):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


def found_at(document: Document, place: list[Any]) -> Any:
    found: Any = document.data
    for part in place:
        try:
            found = found[part]
        except (KeyError, IndexError, TypeError):
            return found
    return found


def given(document: Document, place: list[Any]) -> list[str]:
    """The keys that the table at `place` has."""
    found = found_at(document, place)
    return list(found) if isinstance(found, dict) else []


def dotted(place: list[Any]) -> str:
    return ".".join(shortened(str(part)) for part in place)


def literal(value: Any) -> str:
    """A value as a message shows it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**20 else "a very large number"
    if isinstance(value, float):
        return f"{value:g}"
    return f'"{shortened(value)}"' if isinstance(value, str) else kind_of(value)


def kind_of(value: Any) -> str:
    """What sort of value it is."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    names = {str: "text", int: "a number", float: "a number with a fraction", dict: "a table", list: "a list"}
    return next((name for sort, name in names.items() if isinstance(value, sort)), "a date or a time")
