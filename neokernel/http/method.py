"""Methods that servers of ours know. All others are refused (501): CONNECT and TRACE, too, which make proxies."""

from __future__ import annotations

from enum import Enum

from neokernel.lang import u16


class Method(Enum):
    GET = 0
    HEAD = 1
    POST = 2
    PUT = 3
    DELETE = 4
    OPTIONS = 5
    PATCH = 6


def bit_of(method: Method) -> u16:
    return u16(1) << u16(method.value)


#: how many there are; they are numbered from 0
METHODS: u16 = u16(Method.PATCH.value) + 1
#: sets of them, for `Exchange.allows`
GET = bit_of(Method.GET)
HEAD = bit_of(Method.HEAD)
POST = bit_of(Method.POST)
PUT = bit_of(Method.PUT)
DELETE = bit_of(Method.DELETE)
OPTIONS = bit_of(Method.OPTIONS)
PATCH = bit_of(Method.PATCH)


def method_of(name: bytes) -> Method | None:
    match name:
        case b"GET":
            return Method.GET
        case b"POST":
            return Method.POST
        case b"HEAD":
            return Method.HEAD
        case b"PUT":
            return Method.PUT
        case b"DELETE":
            return Method.DELETE
        case b"OPTIONS":
            return Method.OPTIONS
        case b"PATCH":
            return Method.PATCH
        case _:
            return None


def name_of(method: Method) -> str:
    match method:
        case Method.GET:
            return "GET"
        case Method.HEAD:
            return "HEAD"
        case Method.POST:
            return "POST"
        case Method.PUT:
            return "PUT"
        case Method.DELETE:
            return "DELETE"
        case Method.OPTIONS:
            return "OPTIONS"
        case Method.PATCH:
            return "PATCH"
