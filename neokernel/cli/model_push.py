"""`nk model push` and `nk model list`: the models of a running machine, and replacing one while it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.output import json_option, print_json, progress_line, styled
from neokernel.cli.target import machine_option, session

if TYPE_CHECKING:
    from neokernel.control.models import Served
    from neokernel.control.view import View

#: digits of a hash that are shown
DIGITS = 12


@click.command()
@click.argument("name")
@click.argument("path", metavar="MODEL.nkm", type=click.Path(path_type=Path))
@click.option("--wait", is_flag=True, help="Until it isn't watched any more, and stays.")
@machine_option
@json_option
def push(name: str, path: Path, wait: bool, machine: str | None, key: Path | None, as_json: bool) -> None:
    """Replace the model that is served as NAME by the bundle MODEL.nkm, while it is asked.

    The bundle's signature lies beside it, in MODEL.nkm.sig; the machine takes those of keys that it is enrolled with.
    It tries the bundle with the sample in it. What is refused, or fails, changes nothing; what ends, or keeps a request
    waiting in vain, while it is watched, is rolled back.

    Exit status: 0 it serves; 1 it was refused, or the one before serves again; otherwise as `nk svc show`.
    """
    from neokernel.control.models import NotPushed, digest_of, settled
    from neokernel.control.models import push as send
    from neokernel.image.boot import signature_path

    try:
        data = path.read_bytes()
        signature = signature_path(path)
        if signature.is_file():
            data += signature.read_bytes()
    except OSError as error:
        raise ToolError("NK1705", f"{path}: {error.strerror or error}") from error
    with session(machine, key) as view, progress_line() as say:
        found = named(view, name)
        try:
            send(view, found.number, data, say)
            after = settled(view, found.number, wait, say)
        except NotPushed as error:
            raise ToolError("NK1707", f"{name}: {path} is refused: {error}", error.help) from error
    report(name, after, str(path), digest_of(data), as_json=as_json)


def named(view: View, name: str) -> Served:
    """What is served by that name."""
    from neokernel.control.models import models

    served = models(view)
    found = next((each for each in served if each.name == name), None)
    if found is None:
        called = ", ".join(each.name for each in served)
        help = f"there are: {called}" if called else "no name of its gateway can be pushed to"
        raise ToolError("NK1605", f"no model is served as {name}", help)
    return found


def report(name: str, after: Served, what: str, digest: str, *, as_json: bool) -> None:
    """Say what has become of what was to serve: a bundle with contents of this hash."""
    serves = f"{after.service} serves as before" if after.service else "nobody serves the name now"
    if after.outcome in ("rolled back", "tried"):
        why = after.why or "nobody says that it is ready"
        raise ToolError("NK1707", f"{name}: {what} doesn't serve: {why}", serves)
    if after.digest != digest:
        # Of what the manager has kept there is nothing left, or somebody else has pushed meanwhile.
        help = f"it is version {after.version}" if after.version else serves
        raise ToolError("NK1707", f"{name}: {what} doesn't serve: something else does", help)
    if as_json:
        print_json({**after.as_json(), "exit": 0})
        return
    watched = "; it is watched" if after.outcome == "watched" else ""
    version = f"version {after.version} ({after.digest[:DIGITS]})"
    click.echo(f"{name}: {version} is served by {after.service}, by {after.backend} code{watched}")


@click.command()
@click.argument("name")
@click.argument("backend", type=click.Choice(["scalar", "vector"]))
@click.option("--wait", is_flag=True, help="Until it isn't watched any more, and stays.")
@machine_option
@json_option
def swap(name: str, backend: str, wait: bool, machine: str | None, key: Path | None, as_json: bool) -> None:
    """Have the model that is served as NAME computed by other code of its bundle, while it is asked: `scalar`, or
    `vector`, which the machine needs vector registers for.

    It is tried and watched as by `nk model push`, after which a model is computed by vectors if both it and the machine
    have them. Exit status: as `nk model push`.
    """
    from neokernel.control.models import NotPushed, settled
    from neokernel.control.models import swap as order

    with session(machine, key) as view, progress_line() as say:
        found = named(view, name)
        try:
            order(view, found.number, backend)
            after = settled(view, found.number, wait, say)
        except NotPushed as error:
            raise ToolError("NK1707", f"{name}: it isn't swapped: {error}", error.help) from error
    report(name, after, f"{backend} code", found.digest, as_json=as_json)


@click.command("list")
@machine_option
@json_option
def list_(machine: str | None, key: Path | None, as_json: bool) -> None:
    """List the models of a running machine: version, the beginning of their contents' hash, who serves them, and what
    has become of the last push.

    Exit status: as `nk svc show`.
    """
    from neokernel.control.models import models

    with session(machine, key) as view:
        found = models(view)
    if as_json:
        print_json({"models": [each.as_json() for each in found], "exit": 0})
        return
    wide = max((len(each.name) for each in found), default=0)
    for each in found:
        first, *rest = told(each)
        click.echo(f"{styled(f'{each.name:<{wide}}', bold=True)}  {first}")
        for line in rest:
            click.echo(f"{'':<{wide}}  {line}")


def told(model: Served) -> list[str]:
    """Lines, the first of which is about the model, and the second about who serves it."""
    if model.version:
        where = "of the image" if model.own else f"pushed, by {model.backend} code"
        said = [f"version {model.version} ({model.digest[:DIGITS]}), {where}"]
        said += [f"served by {model.service}; {model.answered:,} answered"]
    else:
        said = ["nobody serves it"]
    if model.outcome in ("tried", "watched"):
        said += [f"a push is {model.outcome}"]
    if model.why:
        said += [f"what was pushed was rolled back: {model.why}"]
    if model.refused:
        said += [f"the last push was refused: {model.refused}"]
    if model.version and not model.spare and model.outcome != "tried":
        said += ["nothing can be pushed: no process waits for it"]
    return said
