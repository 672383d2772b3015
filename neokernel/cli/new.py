"""`nk new`: the beginning of a service, which runs and passes its tests as it is."""

from __future__ import annotations

import ast
import keyword
import re
import sys
from pathlib import Path
from string import Template

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.output import json_option, print_json, shown
from neokernel.image.systemfile.machine import RESERVED
from neokernel.image.systemfile.model import LONGEST_NAME, NAME

TEMPLATES = Path(__file__).parent / "templates" / "service"
#: what is added to a template's name; `NAME` in it stands for the service's module
SUFFIX = ".in"
#: modules and services that a new one has beside its own
TAKEN = ("main", "handler", "client", *RESERVED)
#: what the service's own files import: a module of that name would be in the way
IMPORTED = (*sys.stdlib_module_names, "neokernel", "pytest")


@click.group()
def command() -> None:
    """Begin a service: program, interface, manifest, test and system file."""


@command.command(short_help="Make a folder with a service, a client, and tests.")
@click.argument("name")
@click.option(
    "-d",
    "--directory",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Where its folder is made; default: here.",
)
@json_option
def service(name: str, directory: Path, as_json: bool) -> None:
    """Make a folder NAME with a service, an interface, a client, a manifest, a system file and a test.

    `nk run` and `nk test` work there at once.
    """
    module = name.replace("-", "_")
    if not re.fullmatch(NAME, name) or len(name) > LONGEST_NAME or name.endswith("-"):
        help = f"small letters, digits and `-`, beginning with a letter, at most {LONGEST_NAME} characters"
        raise ToolError("NK1013", f"a service can't be called {name!r}", help)
    taken = module in IMPORTED or keyword.iskeyword(module) or name in TAKEN
    if taken or not names_in_templates().isdisjoint({module, class_name(name)}):
        raise ToolError("NK1013", f"a service can't be called {name!r}: that is taken", "choose another name")
    folder = directory / name
    try:
        folder.mkdir(parents=True)
        made = [write(path, folder, name, module) for path in sorted(TEMPLATES.glob(f"*{SUFFIX}"))]
    except FileExistsError as error:
        raise ToolError("NK1013", f"{shown(folder)} is there already", "choose another name, or remove it") from error
    except OSError as error:
        raise ToolError("NK1005", f"{folder} can't be written: {error.strerror or error}") from error
    if as_json:
        print_json({"folder": str(folder), "files": [path.name for path in made], "exit": 0})
        return
    for path in made:
        click.echo(shown(path))
    click.echo(f"next: cd {shown(folder)}; nk run; nk test")


def class_name(name: str) -> str:
    """The interface's."""
    return "".join(part.capitalize() for part in name.split("-"))


def names_in_templates() -> set[str]:
    """What the service's files call something else: variables, classes, what they import."""
    found: set[str] = set()
    for path in TEMPLATES.glob(f"*.py{SUFFIX}"):
        text = Template(path.read_text(encoding="utf-8")).substitute(name="", module="_", Class="_")
        for node in ast.walk(ast.parse(text)):
            match node:
                case ast.Name(id=name) | ast.arg(arg=name) | ast.alias(name=name) | ast.ClassDef(name=name):
                    found.add(name)
    return found


def write(template: Path, folder: Path, name: str, module: str) -> Path:
    """A file of the service."""
    path = folder / template.name.removesuffix(SUFFIX).replace("NAME", module)
    words = {"name": name, "module": module, "Class": class_name(name)}
    path.write_text(Template(template.read_text(encoding="utf-8")).substitute(words), encoding="utf-8")
    return path
