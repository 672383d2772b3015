"""`nk sign`: the signature of a boot image, or of a model's bundle."""

from __future__ import annotations

from pathlib import Path

import click

from neokernel.cli.output import json_option, print_json, shown
from neokernel.cli.trusted import complaints, fingerprint


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--key", required=True, type=click.Path(path_type=Path), help="The private key, NAME.key.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The signature; default: IMAGE.sig.")
@json_option
def command(image: Path, key: Path, output: Path | None, as_json: bool) -> None:
    """Sign IMAGE: a boot image, as `nk image` makes it, or a model's bundle.

    The signature lies beside it; the image isn't changed.
    """
    from neokernel.image.boot import signature_path
    from neokernel.image.keys import read_private
    from neokernel.image.signed import sign
    from neokernel.model.signed import is_bundle
    from neokernel.model.signed import sign as sign_bundle

    output = output or signature_path(image)
    with complaints(image):
        private = read_private(key)
        data = image.read_bytes()
        output.write_bytes(sign_bundle(data, private) if is_bundle(data) else sign(data, private))
    name = fingerprint(private.public_key().public_bytes_raw())
    if as_json:
        print_json({"signature": str(output), "key": name, "exit": 0})
    else:
        click.echo(f"{shown(output)}: signed with key {name}")
