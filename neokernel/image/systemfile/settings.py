"""The values of a service's settings: what the system file says, else its manifest, else the program's own default."""

from __future__ import annotations

import struct

from neokernel.abi.description import MAXIMUM_TEXT
from neokernel.compiler.ir import Span
from neokernel.image.systemfile.document import Document, Findings, did_you_mean
from neokernel.image.systemfile.machine import Service, Setting
from neokernel.image.systemfile.model import Value
from neokernel.image.systemfile.needs import FLOATS, TEXTS, WIDTHS, Need
from neokernel.image.systemfile.reading import literal

#: a table `config`: its document, the path of the table around it, and what stands in it
Config = tuple[Document, tuple[str, ...], dict[str, Value]]


def set_all(service: Service, configs: list[Config], findings: Findings) -> None:
    """Fill in the service's settings, in the order of its declarations. The first of the tables counts most."""
    needs = {need.name: need for need in service.program.settings()}
    values: dict[str, Value] = {}
    text = 0
    for document, path, config in configs:
        for name, value in config.items():
            need = needs.get(name)
            if need is None:
                message = f"`{service.program.name}` has no setting `{name}`"
                help = did_you_mean(name, needs, "settings", "it has none at all")
                findings.error("NK2112", message, document.key(*path, "config", name), help)
                continue
            why = misfit(need, value)
            if why:
                place = document.value(*path, "config", name)
                message = f"`{name}` can't be {literal(value)}"
                findings.error("NK2113", message, place, why, (need.span, f"declared here: `{need}`"))
            values.setdefault(name, value)
    for need in needs.values():
        found = encoded(need, values.get(need.name))
        if isinstance(found, int) and not -(1 << 63) <= found < 1 << 64:
            message = f"the member of {need.short} that `{need.name}` is has a number of more than 64 bits"
            findings.error("NK2113", message, need.span, f"`nk check` of {service.program.name} says more")
            continue
        text += len(found) if isinstance(found, bytes) else 0
        service.settings.append(Setting(need, found))
    if text > MAXIMUM_TEXT:
        message = f"the texts in the settings of `{service.name}` have {text:,} bytes together"
        findings.error("NK2113", message, place_of(service, configs), f"there is room for {MAXIMUM_TEXT:,}")


def place_of(service: Service, configs: list[Config]) -> Span:
    """The table that says most."""
    document, path, config = configs[0]
    return document.key(*path, "config") if config else service.span


def misfit(need: Need, value: Value) -> str:
    """Why a value doesn't fit the setting's type; nothing if it does."""
    if need.members:
        fits = isinstance(value, str) and value in dict(need.members)
    elif need.type in WIDTHS:
        least, most = WIDTHS[need.type]
        fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    elif need.type == "bool":
        fits = isinstance(value, bool)
    elif need.type in FLOATS:
        fits = isinstance(value, float | int) and not isinstance(value, bool) and is_held(need.type, value)
    else:
        fits = isinstance(value, str)
    return "" if fits else wanted(need)


def wanted(need: Need) -> str:
    """What a setting's value is."""
    if need.members:
        names = ", ".join(f'"{name}"' for name, _ in need.members)
        return f"it is one of {names}"
    if need.type in WIDTHS:
        least, most = WIDTHS[need.type]
        return f"it is a whole number from {least:,} to {most:,}"
    if need.type in FLOATS:
        return f"it is a number that {need.type} can hold"
    return "it is `true` or `false`" if need.type == "bool" else "it is text"


#: of floats, by `struct`: the float, and the unsigned number of the same bits
FORMATS = {"f32": ("<f", "<I"), "f64": ("<d", "<Q")}


def is_held(kind: str, value: float) -> bool:
    """Has the type a value for it?"""
    try:
        struct.pack(FORMATS[kind][0], value)
    except (OverflowError, struct.error):
        return False
    return True


def encoded(need: Need, value: Value | None) -> int | bytes:
    """A value as the process gets it, or else the default: a word, or bytes."""
    if need.members:
        return (
            dict(need.members)[value] if isinstance(value, str) and value in dict(need.members) else int(need.default)
        )
    if need.type in TEXTS:
        if isinstance(value, str):
            return value.encode()
        return bytes.fromhex(str(need.default)) if need.type == "bytes" else str(need.default).encode()
    number = need.default if value is None or isinstance(value, str) or misfit(need, value) else value
    if need.type in FLOATS:
        form, bits = FORMATS[need.type]
        return int(struct.unpack(bits, struct.pack(form, number))[0])
    return int(number)
