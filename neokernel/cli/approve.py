"""`nk approve`: an operator's signature of one order, for somebody who passes it on, such as the dashboard's page."""

from __future__ import annotations

import re
from pathlib import Path

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.output import json_option, print_json
from neokernel.cli.target import chosen, key_of, machine_option

#: of an enrolment blob, what a machine is known by: the first half of the hash at its end
HASH_SIZE = 64


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

    What is printed is good for this order, on this machine, once, and for two to four minutes. It is no secret. Nothing
    is sent anywhere, and the machine isn't asked.

    Exit status: 0; 2 it is no order; 5 there is no such key, or no enrolment; 6 no machine runs.
    """
    from neokernel.interfaces.orders import CONTEXT, MACHINE_SIZE, MOST_ORDER, NONCE_SIZE
    from neokernel.lang import byte_view
    from neokernel.services.control.orders import read_order

    text = " ".join(order)
    if len(text.encode()) > MOST_ORDER or read_order(byte_view(text.encode())) is None:
        help = "`kill SERVICE`, `stop SERVICE`, `start SERVICE`, or `swap SERVICE PROGRAM` is one"
        raise ToolError("NK1608", f"{text!r} is no order", help)
    if re.fullmatch("[0-9a-fA-F]{32}", nonce) is None:
        raise ToolError("NK1608", f"{nonce!r} is no nonce", f"it has {2 * NONCE_SIZE} digits, 0 to 9 and a to f")
    if enrolment is None:
        running = chosen(machine)
        identity, called = bytes.fromhex(running.identity), running.name
        if len(identity) != MACHINE_SIZE:
            raise ToolError("NK1603", f"{called} is enrolled with nobody", "`nk run` enrols your development key")
    else:
        identity, called = identity_of(enrolment), f"a machine with the enrolment {enrolment}"
    private, public = key_of(key)
    signature = private.sign(bytes(CONTEXT) + identity + bytes.fromhex(nonce) + text.encode())
    approval = (public + signature).hex()
    if as_json:
        print_json({"order": text, "machine": identity.hex(), "nonce": nonce.lower(), "approval": approval, "exit": 0})
        return
    click.echo(f"approved: {text}, on {called}", err=True)
    click.echo(approval)


def identity_of(enrolment: Path) -> bytes:
    """What the machines are known by that have this blob."""
    from neokernel.cli.trusted import complaints
    from neokernel.interfaces.orders import MACHINE_SIZE
    from neokernel.lang import byte_view
    from neokernel.stage.enrolment import Enrolment, read_enrolment

    with complaints(enrolment):
        blob = enrolment.read_bytes()
    refusal = read_enrolment(Enrolment(), byte_view(blob))
    if refusal is not None:
        raise ToolError("NK1603", f"{enrolment} is no enrolment: {refusal.name}", "`nk enrol` makes one")
    return blob[-HASH_SIZE:][:MACHINE_SIZE]
