"""`nk verify`: is a boot image, or a model's bundle, signed, and by whom? As a machine would look, on the host."""

from __future__ import annotations

from pathlib import Path

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.output import json_option, print_json, shown
from neokernel.cli.trusted import complaints, fingerprint


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--signature", type=click.Path(path_type=Path), help="The signature; default: IMAGE.sig.")
@click.option("--key", "keys", multiple=True, type=click.Path(path_type=Path), help="A public key that it may be.")
@json_option
def command(image: Path, signature: Path | None, keys: tuple[Path, ...], as_json: bool) -> None:
    """Say which key IMAGE, or a model's bundle, is signed with; with --key, refuse others.

    Exit status: 5 if it isn't as it should be.
    """
    from neokernel.image.boot import signature_path
    from neokernel.image.keys import read_public
    from neokernel.image.signed import header_of, signer_of
    from neokernel.model import signed as model

    place = signature or signature_path(image)
    if image.exists() and not place.exists():
        help = f"`nk sign {shown(image)} --key KEY` signs it; `--signature PATH` names a signature that lies elsewhere"
        raise ToolError("NK1502", f"{image} isn't signed: there is no {place}", help)
    with complaints(image):
        allowed = [read_public(key) for key in keys]
        data = image.read_bytes()
        of_model = model.is_bundle(data)
        public = (model.signer_of if of_model else signer_of)(data, place.read_bytes())
        rollback = 0 if of_model else int(header_of(data).rollback)
    names = [key.name for key in allowed if key.public == public]
    if keys and not names:
        raise ToolError("NK1502", f"{image} is signed with key {fingerprint(public)}, which is none of those given")
    if as_json:
        named = {"key": fingerprint(public), "name": names[0] if names else None}
        print_json({"image": str(image), "rollback_index": rollback, **named, "exit": 0})
    else:
        index = f", rollback index {rollback}" if rollback else ""
        click.echo(f"{shown(image)}: signed with key {' '.join([*names, fingerprint(public)])}{index}")
