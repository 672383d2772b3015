"""`nk embed`: a folder of files as a module of a program."""

from __future__ import annotations

from pathlib import Path

import click

from neokernel.cli.errors import Exit, ToolError
from neokernel.cli.output import json_option, print_json, shown


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The module, NAME.py.")
@click.option("--check", is_flag=True, help="Write nothing: say whether the module is what the files make.")
@json_option
def command(folder: Path, output: Path, check: bool, as_json: bool) -> Exit:
    """Write the files in FOLDER as a module with a table of them, `FILES`, for `neokernel.http.files`.

    What begins with a dot is left out. With --check, the exit code is 1 if the module must be made anew.
    """
    from neokernel.image.embedding import BadFolder, files_of, source_of

    if not folder.is_dir():
        raise ToolError("NK1014", f"{shown(folder)} is no folder", "name the folder that has the files")
    if output.suffix != ".py" or not output.stem.isidentifier():
        raise ToolError("NK1014", f"{shown(output)} can't be a module", "it is called like one: `www_files.py`")
    try:
        files = files_of(folder)
    except BadFolder as error:
        raise ToolError("NK1014", f"{shown(folder)} can't be embedded: {error}") from error
    except OSError as error:
        raise ToolError("NK1014", f"{shown(folder)} can't be read: {error.strerror or error}") from error
    source = source_of(files, folder, output)
    try:
        fresh = output.is_file() and output.read_text(encoding="utf-8") == source
        if not check:
            output.write_text(source, encoding="utf-8")
    except OSError as error:
        raise ToolError("NK1005", f"{shown(output)} can't be written: {error.strerror or error}") from error
    status = Exit.NEGATIVE if check and not fresh else Exit.SUCCESS
    if as_json:
        print_json({"module": str(output), "files": len(files), "fresh": fresh or not check, "exit": int(status)})
    elif status is not Exit.SUCCESS:
        click.echo(f"{shown(output)} isn't what {shown(folder)} makes: `nk embed {shown(folder)} -o {shown(output)}`")
    else:
        click.echo(f"{shown(output)}: {len(files)} files of {shown(folder)}{', nothing new' if fresh else ''}")
    return status
