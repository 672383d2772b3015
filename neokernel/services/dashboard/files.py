"""The files of www, each with its media type and its tag. Made by `nk embed`: change them, not this.

`nk embed www -o files.py` makes it anew; with `--check`, says whether it must be.
"""
# ruff: noqa: Q000
# fmt: off

from neokernel.http.files import File

# What makes this a module of the target.
from neokernel.lang import u64

TOTAL: u64 = 40

FILES: tuple[File, ...] = (
    File(
        b'/index.html',
        b'text/html; charset=utf-8',
        b'"080af992439bae16fc53fe554fc707eb"',
        b'<!doctype html><title>Ne'
        b'okernel</title>\n',
    ),
)
