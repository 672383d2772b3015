"""The reference of system files, out of the models that they are checked by: keys, types, ranges, defaults, errors."""

from __future__ import annotations

import textwrap
import types
from collections.abc import Iterator
from enum import Enum
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from neokernel.cli.reference import link, table
from neokernel.cli.system import described, machine_of
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.systemfile import units
from neokernel.image.systemfile.codes import CODES
from neokernel.image.systemfile.graph import graph_of
from neokernel.image.systemfile.loading import DEFAULTS
from neokernel.image.systemfile.machine import RESERVED
from neokernel.image.systemfile.model import BoardFile, Manifest, SystemFile, as_size, as_time
from neokernel.image.systemfile.needs import INIT, OBJECTS

PAGE = PACKAGE_ROOT / "docs" / "reference" / "system-file.md"
#: the system that the guide shows a picture of
SHOWN = PACKAGE_ROOT / "systems" / "minimal.toml"
PICTURE = PACKAGE_ROOT / "docs" / "guide" / "minimal.svg"

INTRODUCTION = """\
# System files

Every key of a system file, of a service's manifest and of a board's file. Written by `nk manual` from
`neokernel/image/systemfile`; a test fails when it isn't what they say. [Systems](../guide/systems.md) teaches how one
is written, and [the design](../design/system.md) says why it is so.

All three are TOML. Sizes are text with a unit (`"256 KiB"`; {sizes}), and so are times (`"2 ms"`; {times}); times are
kept in whole microseconds. A name is small letters, digits and `-`. No other keys can be there.
"""
MANIFEST = """\
`service.toml` in the folder of a program's main.py, or `NAME.service.toml` beside its NAME.py, gives defaults to all
services that run the program: {keys}. They mean what they mean in a system file, and count less than what stands
there. A manifest can't grant anything: what a service may do stands in the system file alone.
"""
GRANTS = """\
A program declares what it needs as variables at the top of the module with its `main`; the variable's name is the key
in the service's table. Every declaration has its line, and every line its declaration.

"""


def manual() -> str:
    """The page."""
    keys = ", ".join(f"`{name}`" for name in Manifest.model_fields)
    parts = [
        wrapped(INTRODUCTION.format(sizes=", ".join(units.SIZES), times=", ".join(units.TIMES))),
        "## A system file\n",
        *tables(SystemFile, ()),
        "## What a program declares\n",
        GRANTS + table(["in the program", "in the system file"], list(declarations())),
        "## A manifest\n",
        wrapped(MANIFEST.format(keys=keys)),
        "## A board's file\n",
        "`boards/NAME.toml`, or a file of your own.\n",
        *tables(BoardFile, ()),
        "## What can be wrong\n",
        "`nk explain CODE` says more of each.\n",
        table(["code", "what"], [[f"`{code}`", entry.title] for code, entry in CODES.items()]),
    ]
    return "\n".join(parts)


def picture() -> str:
    """What `nk graph` draws of it."""
    from neokernel.image.systemfile.drawing import drawing  # late, because igraph is big

    machine = machine_of(SHOWN, as_json=False)
    return drawing(graph_of(machine), machine.name, described(machine)[0])


def wrapped(text: str) -> str:
    return "\n".join(textwrap.fill(line, 120, break_on_hyphens=False) for line in unwrapped(text).split("\n"))


def unwrapped(text: str) -> str:
    """Each paragraph as one line."""
    return "\n\n".join(part.replace("\n", " ").strip() for part in text.split("\n\n")) + "\n"


def declarations() -> Iterator[list[str]]:
    yield ["`x: Uses[Log] = uses()`, of an interface", '`uses.x = "SERVICE.NAME"`']
    for name, way in OBJECTS.items():
        peers = [f"{each}.{one}" for each, names in RESERVED.items() for one in names]
        amount = {"devices": "DEVICE", "interrupts": "DEVICE", "dma": "64 KiB", "pools": "64 KiB"}.get(way, "")
        yield [f"`x: Uses[{name}] = uses()`", f'`uses.x = "{way}"`' if way in peers else f'`{way}.x = "{amount}"`']
    for type_, way in INIT.items():
        yield [f"`x: Uses[{type_.rpartition('.')[2]}] = uses()`", f'`uses.x = "{way}"`']
    yield ["`x: Provides[Log] = provides()`", 'nothing; others write `uses.y = "THIS.x"`']
    yield ["`x: Setting[u8] = setting(3)`", "`config.x = 4`, or nothing, if it has a default"]


def tables(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    """A model's keys as a table, then those of the tables in it."""
    rows, inner = [], []
    for name, field in model.model_fields.items():
        found = table_in(field.annotation)
        place = (*path, name)
        if found is not None:
            kind, several = found
            inner.append((kind, (*place, "NAME") if several else place))
            rows.append([f"`{name}`", link(heading(inner[-1][1])), default_of(field, place), field.description or ""])
        else:
            rows.append([f"`{name}`", type_of(field), default_of(field, place), field.description or ""])
    if path:
        yield f"### {heading(path)}\n"
        yield table(["key", "type", "left out", "what"], rows)
    for kind, place in inner:
        yield from tables(kind, place)


def heading(path: tuple[str, ...]) -> str:
    return f"`[{'.'.join(path)}]`"


def table_in(annotation: Any) -> tuple[type[BaseModel], bool] | None:
    """The model of the table that a field holds, and whether it holds several by their names."""
    if get_origin(annotation) is dict:
        found = table_in(get_args(annotation)[1])
        return (found[0], True) if found is not None else None
    for each in get_args(annotation) or (annotation,):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each, False
    return None


def type_of(field: FieldInfo) -> str:
    """A field's type, in words, with its limits."""
    annotation: Any = field.annotation
    if get_origin(annotation) is dict:
        return f"table of {PLURALS[sort(get_args(annotation)[1], [])]}"
    kinds = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    words = [sort(kind, field.metadata) for kind in kinds if kind is not type(None)]
    limits = [
        f"{sign} {limit(getattr(part, key))}" for part in field.metadata for key, sign in SIGNS if hasattr(part, key)
    ]
    return ", ".join([" or ".join(words), *limits])


def limit(number: int) -> str:
    return f"2^{number.bit_length() - 1}" if number >= 1 << 20 and not number & number - 1 else f"{number:,}"


#: attributes of annotations that are limits of numbers
SIGNS = (("ge", "≥"), ("le", "≤"), ("lt", "<"))
PARSERS = {as_size: "size", as_time: "time"}
PLURALS = {"text": "texts", "size": "sizes", "number": "numbers", "": "numbers, texts, `true`, `false`"}


def sort(kind: Any, metadata: list[Any]) -> str:
    """A type, in a word."""
    marks = [*metadata, *getattr(kind, "__metadata__", ())]
    parser = next((PARSERS[part.func] for part in marks if getattr(part, "func", None) in PARSERS), None)
    if parser is not None:
        return parser
    plain = get_args(kind)[0] if hasattr(kind, "__metadata__") else kind
    if isinstance(plain, type) and issubclass(plain, Enum):
        return " or ".join(f"`{member.value}`" for member in plain)
    return {int: "number", str: "text", bool: "`true` or `false`"}.get(plain, "")


def default_of(field: FieldInfo, path: tuple[str, ...]) -> str:
    """What it is where nothing stands; empty where the description says it, or it is nothing."""
    if field.is_required():
        return "must be there"
    value = DEFAULTS.get(path[2:]) if path[:1] == ("service",) else None
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if not value:
        return ""
    return {"size": units.show_size, "time": units.show_time}.get(type_of(field), str)(value)
