"""`nk explain`: what an error code means, with a wrong and a right example."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Iterable
from typing import Any

import click

from neokernel.cli.errors import TOOL_CODES, ToolError
from neokernel.cli.output import json_option, paragraphs, print_json, styled


def all_codes() -> dict[str, dict[str, str]]:
    """Every code, the compiler's, of system files, and the tools', as plain text."""
    found: dict[str, dict[str, str]] = {}
    for code, entry in (*codes_of("neokernel.compiler.codes"), *codes_of("neokernel.image.systemfile.codes")):
        found[code] = {
            name: text.strip("\n")
            for name in ("title", "explanation", "wrong", "right")
            if (text := getattr(entry, name, ""))
        }
    for code, tool in TOOL_CODES.items():
        found[code] = {"title": tool.title, "explanation": tool.explanation}
    return dict(sorted(found.items()))


def codes_of(module: str) -> Iterable[tuple[str, Any]]:
    """A module's codes; it is loaded late."""
    codes: dict[str, Any] = importlib.import_module(module).CODES
    return codes.items()


@click.command()
@click.argument("code", required=False)
@json_option
def command(code: str | None, as_json: bool) -> None:
    """Explain error CODE (such as NK0101), or list all codes."""
    codes = all_codes()
    if code is None:
        if as_json:
            print_json([{"code": name, "title": entry["title"]} for name, entry in codes.items()])
        else:
            for name, entry in codes.items():
                click.echo(f"{name}  {entry['title']}")
        return
    name = code.upper()
    if name.isdecimal():
        name = f"NK{name.zfill(4)}"
    if name not in codes:
        raise ToolError("NK1003", f"no error code {code!r}", "`nk explain` alone lists all codes")
    entry = codes[name]
    if as_json:
        print_json({"code": name, **entry})
        return
    click.echo(styled(f"{name}: {entry['title']}", bold=True) + "\n")
    click.echo("\n".join(paragraphs(entry.get("explanation", ""))))
    for label, heading in (("wrong", "Wrong:"), ("right", "Right:")):
        if label in entry:
            # Code is never wrapped: it must be the code that it is when it is copied.
            click.echo(f"\n{styled(heading, bold=True)}\n\n{textwrap.indent(entry[label], '    ')}")
