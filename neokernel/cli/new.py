"""`nk new`: the beginning of a service or of a driver, which runs and passes its tests as it is."""

from __future__ import annotations

import ast
import keyword
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from string import Template

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.output import json_option, print_json, shown
from neokernel.image.systemfile.loading import BOARDS
from neokernel.image.systemfile.machine import RESERVED
from neokernel.image.systemfile.model import LONGEST_NAME, NAME

#: a folder of files for each kind of thing
TEMPLATES = Path(__file__).parent / "templates"
BOARD = BOARDS / "qemu-virt.toml"
#: what is added to a template's name; `NAME` in it stands for the module that has the interface
SUFFIX = ".in"
#: what the files import: a module of that name would be in the way
IMPORTED = (*sys.stdlib_module_names, "neokernel", "pytest", "hypothesis")


@click.group()
def command() -> None:
    """Begin a service or a driver: program, interface, manifest, tests and system file."""


def in_directory(function: Callable[..., None]) -> Callable[..., None]:
    """The option that all of them have."""
    help = "Where its folder is made; default: here."
    option = click.option("-d", "--directory", type=click.Path(path_type=Path), default=Path(), help=help)
    return option(function)


@command.command(short_help="Make a folder with a service, a client, and tests.")
@click.argument("name")
@in_directory
@json_option
def service(name: str, directory: Path, as_json: bool) -> None:
    """Make a folder NAME with a service, an interface, a client, a manifest, a system file and a test.

    `nk run` and `nk test` work there at once.
    """
    begin("service", name, directory, as_json)


@command.command(short_help="Make a folder with a driver, a model of its device, a client, and tests.")
@click.argument("name")
@in_directory
@json_option
def driver(name: str, directory: Path, as_json: bool) -> None:
    """Make a folder NAME with a driver, an interface, a model of the device, a client, a manifest and tests.

    `nk run` and `nk test` work there at once. The device is the board's clock until you put another one there.
    """
    begin("driver", name, directory, as_json)


def begin(kind: str, name: str, directory: Path, as_json: bool) -> None:
    """Make the folder; `kind` is that of the templates, and what people call it."""
    module = name.replace("-", "_")
    templates = sorted((TEMPLATES / kind).glob(f"*{SUFFIX}"))
    if not re.fullmatch(NAME, name) or len(name) > LONGEST_NAME or name.endswith("-"):
        help = f"small letters, digits and `-`, beginning with a letter, at most {LONGEST_NAME} characters"
        raise ToolError("NK1013", f"a {kind} can't be called {name!r}", help)
    taken = module in IMPORTED or keyword.iskeyword(module) or name in stems(templates)
    taken = taken or name in RESERVED or name in devices()
    if taken or not names_in(templates).isdisjoint({module, class_name(name)}):
        raise ToolError("NK1013", f"a {kind} can't be called {name!r}: that is taken", "choose another name")
    folder = directory / name
    try:
        folder.mkdir(parents=True)
        made = [write(path, folder, name, module) for path in templates]
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


def devices() -> set[str]:
    """Those of the board that the system files name: no service is called like one."""
    return set(tomllib.loads(BOARD.read_text(encoding="utf-8"))["device"])


def stems(templates: list[Path]) -> set[str]:
    """The modules that are made beside the one of its name; a client is a service, too."""
    return {path.name.removesuffix(f".py{SUFFIX}") for path in templates if path.name.endswith(f".py{SUFFIX}")}


def class_name(name: str) -> str:
    """The interface's."""
    return "".join(part.capitalize() for part in name.split("-"))


def names_in(templates: list[Path]) -> set[str]:
    """What the files call something else: variables, classes, what they import."""
    found: set[str] = set()
    for path in templates:
        if not path.name.endswith(f".py{SUFFIX}"):
            continue
        text = Template(path.read_text(encoding="utf-8")).substitute(name="", module="_", Class="_")
        for node in ast.walk(ast.parse(text)):
            match node:
                case ast.Name(id=name) | ast.arg(arg=name) | ast.alias(name=name) | ast.ClassDef(name=name):
                    found.add(name)
    return found


def write(template: Path, folder: Path, name: str, module: str) -> Path:
    """One of its files."""
    path = folder / template.name.removesuffix(SUFFIX).replace("NAME", module)
    words = {"name": name, "module": module, "Class": class_name(name)}
    path.write_text(Template(template.read_text(encoding="utf-8")).substitute(words), encoding="utf-8")
    return path
