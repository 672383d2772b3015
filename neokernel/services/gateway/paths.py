"""Paths of the protocol: what is asked, and of which model.

/v2, /v2/health/live, /v2/health/ready
/v2/models/NAME[/versions/VERSION][/ready | /infer | /classify]
"""

from __future__ import annotations

from enum import Enum

from neokernel.http.characters import SLASH, find
from neokernel.lang import value

MODELS = b"/v2/models/"
VERSIONS = b"versions"


class Part(Enum):
    NOTHING = 0
    SERVER = 1
    LIVE = 2
    READY = 3
    MODEL = 4
    MODEL_READY = 5
    INFER = 6
    CLASSIFY = 7


@value
class Asked:
    """`name`: of a model; `version` has no bytes if none is asked for."""

    part: Part
    name: bytes
    version: bytes


NOTHING = Asked(Part.NOTHING, b"", b"")


def asked_of(path: bytes) -> Asked:
    """What a path means, that begins with a slash and has no dot segments."""
    match path:
        case b"/v2" | b"/v2/":
            return Asked(Part.SERVER, b"", b"")
        case b"/v2/health/live":
            return Asked(Part.LIVE, b"", b"")
        case b"/v2/health/ready":
            return Asked(Part.READY, b"", b"")
        case _:
            pass
    if len(path) <= len(MODELS) or path[: len(MODELS)] != MODELS:
        return NOTHING
    rest = path[len(MODELS) :]
    end = find(rest, SLASH, 0)
    name, rest = rest[:end], rest[end:]
    version = b""
    if len(rest) > len(VERSIONS) + 2 and rest[1 : len(VERSIONS) + 1] == VERSIONS and rest[len(VERSIONS) + 1] == SLASH:
        rest = rest[len(VERSIONS) + 2 :]
        end = find(rest, SLASH, 0)
        version, rest = rest[:end], rest[end:]
        if len(version) == 0:
            return NOTHING
    match rest:
        case b"":
            return Asked(Part.MODEL, name, version)
        case b"/ready":
            return Asked(Part.MODEL_READY, name, version)
        case b"/infer":
            return Asked(Part.INFER, name, version)
        case b"/classify":
            return Asked(Part.CLASSIFY, name, version)
        case _:
            return NOTHING
