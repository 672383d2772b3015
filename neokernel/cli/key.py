"""`nk key`: making keys, and looking at them."""

from __future__ import annotations

from pathlib import Path

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.output import json_option, print_json, shown
from neokernel.cli.trusted import complaints, fingerprint


@click.group()
def command() -> None:
    """Make and show the keys (Ed25519) that boot images are signed with."""


@command.command()
@click.argument("name", type=click.Path(path_type=Path))
@json_option
def new(name: Path, as_json: bool) -> None:
    """Make the pair NAME.key and NAME.pub.

    NAME.key is private: whoever has it can sign images. NAME.pub is what `nk enrol` takes. NAME can be a path.
    """
    from neokernel.image.keys import new_key, read_public
    from neokernel.image.signed import is_name

    if not is_name(name.name):
        raise ToolError("NK1501", f"{name.name!r} can't be a key's name", "1 to 32 plain letters without spaces")
    with complaints():
        private, public = new_key(name)
        key = read_public(public)
    if as_json:
        print_json({"private": str(private), "public": str(public), "fingerprint": fingerprint(key.public), "exit": 0})
    else:
        click.echo(f"{shown(private)}: the private key; keep it to yourself")
        click.echo(f"{shown(public)}: the public key {fingerprint(key.public)}")


@command.command()
@click.argument("path", metavar="PUB", type=click.Path(path_type=Path))
@json_option
def show(path: Path, as_json: bool) -> None:
    """Show the name and the fingerprint of a public key."""
    from neokernel.image.keys import read_public

    with complaints():
        key = read_public(path)
    if as_json:
        print_json({"name": key.name, "fingerprint": fingerprint(key.public), "public": key.public.hex(), "exit": 0})
    else:
        click.echo(f"{key.name}: {fingerprint(key.public)}")
