"""`nk enrol`: the enrolment blob, which says whose images a board starts."""

from __future__ import annotations

from pathlib import Path

import click

from neokernel.cli.output import json_option, print_json, shown
from neokernel.cli.trusted import MOST_ROLLBACK, complaints, fingerprint


@click.command()
@click.option(
    "--key",
    "keys",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="A public key, of who signs images.",
)
@click.option(
    "--operator", "operators", multiple=True, type=click.Path(path_type=Path), help="An operator's public key."
)
@click.option(
    "--rollback-index",
    type=click.IntRange(0, MOST_ROLLBACK),
    default=0,
    help="The least one of an image that may start; default: 0.",
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The blob.")
@json_option
def command(
    keys: tuple[Path, ...], operators: tuple[Path, ...], rollback_index: int, output: Path, as_json: bool
) -> None:
    """Write the enrolment blob with these keys: a board that has it starts images that one of the --key signed.

    Whoever can change the blob on the board decides what it starts: it belongs where nothing that runs can write.
    """
    from neokernel.image.keys import read_public
    from neokernel.image.signed import enrolment

    with complaints():
        of_images, of_operators = [read_public(key) for key in keys], [read_public(key) for key in operators]
        blob = enrolment(of_images, of_operators, rollback_index)
        output.write_bytes(blob)
    rows = [("image", key) for key in of_images] + [("operator", key) for key in of_operators]
    if as_json:
        listed = [{"role": role, "name": key.name, "fingerprint": fingerprint(key.public)} for role, key in rows]
        found = {"enrolment": str(output), "bytes": len(blob), "rollback_index": rollback_index, "keys": listed}
        print_json(found | {"exit": 0})
        return
    for role, key in rows:
        click.echo(f"{role:<9} {key.name} {fingerprint(key.public)}")
    least = f", images of rollback index {rollback_index} and up" if rollback_index else ""
    click.echo(f"{shown(output)}: {len(blob):,} bytes{least}")
