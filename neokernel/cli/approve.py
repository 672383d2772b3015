"""`nk approve`: an operator's signature of one order, for somebody who passes it on, such as the dashboard's page."""

from __future__ import annotations

import re
from pathlib import Path

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.output import json_option, print_json
from neokernel.cli.target import chosen, key_of, machine_option

#: of a nonce
DIGITS = 32


@click.command()
@click.argument("order", nargs=-1, required=True, metavar="ORDER...")
@click.option("--nonce", required=True, help="What the page shows: 32 hexadecimal digits.")
@click.option(
    "--enrolment",
    type=click.Path(path_type=Path),
    help="Of a machine that doesn't run here: the blob that it is enrolled with.",
)
@machine_option
@json_option
def command(
    order: tuple[str, ...], nonce: str, enrolment: Path | None, machine: str | None, key: Path | None, as_json: bool
) -> None:
    """Sign ORDER, for the dashboard: `kill SERVICE`, `stop SERVICE`, `start SERVICE`, or `swap SERVICE [PROGRAM]`.

    What is printed is good for this order, once, for two to four minutes, on the machine that gave out the nonce. It is
    no secret. Nothing is sent anywhere, and no machine is asked: of those with the same enrolment, such as all that run
    with your development key, the nonce alone says which one is meant. So look whose page shows it.

    Exit status: 0; 2 it is no order; 5 there is no such key, or no enrolment; 6 no machine runs.
    """
    from neokernel.control.approval import approval, is_order

    text = " ".join(order)
    if not is_order(text):
        help = "`kill SERVICE`, `stop SERVICE`, `start SERVICE`, or `swap SERVICE PROGRAM` is one"
        raise ToolError("NK1608", f"{text!r} is no order", help)
    if re.fullmatch(f"[0-9a-fA-F]{{{DIGITS}}}", nonce) is None:
        raise ToolError("NK1608", f"{nonce!r} is no nonce", f"it has {DIGITS} digits, 0 to 9 and a to f")
    if enrolment is None:
        running = chosen(machine)
        identity, called = bytes.fromhex(running.identity), f"{running.name} is"
        if not identity:
            raise ToolError("NK1603", f"{running.name} is enrolled with nobody", "`nk run` enrols your development key")
    else:
        identity, called = identity_of(enrolment), f"{enrolment} says"
    private, public = key_of(key)
    made = approval(private, public, identity, bytes.fromhex(nonce), text).hex()
    if as_json:
        print_json({"order": text, "machine": identity.hex(), "nonce": nonce.lower(), "approval": made, "exit": 0})
        return
    click.echo(f"approved: {text}", err=True)
    click.echo(f"for the machine that gave out this nonce, enrolled as {called}", err=True)
    click.echo(made)


def identity_of(enrolment: Path) -> bytes:
    """What the machines are known by that have this blob."""
    from neokernel.cli.trusted import complaints
    from neokernel.control.approval import NoEnrolment, machine_of

    with complaints(enrolment):
        blob = enrolment.read_bytes()
    try:
        return machine_of(blob)
    except NoEnrolment as error:
        raise ToolError("NK1603", f"{enrolment} is no enrolment: {error}", "`nk enrol` makes one") from error
