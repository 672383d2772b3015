"""Images of system files: always the same, what they do on the machine, and what a service does without a grant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neokernel.abi.description import GrantKind
from neokernel.cli.errors import Exit
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.archive import Part
from neokernel.image.description import Has
from neokernel.image.description import read as described
from neokernel.image.elf import Image
from neokernel.image.kernel import archive_of
from neokernel.image.resident import EMPTY
from neokernel.image.systemfile.checking import examine
from neokernel.image.systemfile.document import Findings
from neokernel.image.systemfile.resources import enough_memory
from tests.cli.conftest import nk
from tests.cli.support import Nk
from tests.docs import snippets
from tests.support.patience import LONGEST_RUN

__all__ = ["nk"]

#: the guide's system
GREET = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "systems.md").programs


def write(folder: Path) -> Path:
    for name, text in GREET.items():
        path = folder / name.removeprefix("greet/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "system.toml"


def test_the_same_source_gives_the_same_image(nk: Nk, tmp_path: Path) -> None:
    images = []
    for name in ("one", "another/place"):
        image = tmp_path / f"{name.replace('/', '-')}.elf"
        assert nk("build", write(tmp_path / name), "-o", image).status == 0
        images.append(image.read_bytes())
    assert images[0] == images[1]
    archive = archive_of(Image(tmp_path / "one.elf"))
    assert [entry.name for entry in archive] == ["init", "greeter", "visitor", "system"]
    system = described(archive[-1].content)
    assert (system.name, [service.name for service in system.services]) == ("greet", ["greeter", "visitor"])


@pytest.mark.qemu
def test_it_runs_where_it_lies(nk: Nk, tmp_path: Path) -> None:
    write(tmp_path)
    result = nk("run", "--counted", "--timeout", LONGEST_RUN, "--json")
    assert result.json["console"].splitlines()[1:] == ["greeted"]
    assert result.status == 7, "what the greeter counted, from its setting on"
    (visitor,) = (entry for entry in archive_of(Image(tmp_path / "build/greet.elf")) if entry.name == "visitor")
    places = nk("where", "system.toml", f"{visitor.entry:#x}", "--json").json["addresses"][0]["places"]
    assert "visitor" in [place["program"] for place in places]
    assert "hasn't been built here" in nk("where", PACKAGE_ROOT / "systems" / "minimal.toml", "0x10000").error
    limits(tmp_path, 100)
    found = nk("check", "--json")
    least = re.search(r"needs (\d+) KiB", found.output)
    assert found.status == Exit.MANIFEST and least is not None
    limits(tmp_path, int(least[1]) - 4)
    assert "error[NK2203]" in nk("check").error
    limits(tmp_path, int(least[1]))
    assert nk("check").status == 0
    assert nk("run", "--counted", "--timeout", LONGEST_RUN).status == 9, "with no more memory than the checks demand"


def limits(folder: Path, memory: int) -> None:
    """Let the greeter, which preserves something, have so many KiB of memory."""
    more = f'first = 9\nmemory = "{memory} KiB"\npreserve = "64 KiB"'
    (folder / "system.toml").write_text(GREET["greet/system.toml"].replace("config.first = 7", f"config.{more}"))


def test_data_of_a_program_counts(tmp_path: Path) -> None:
    machine, _ = examine(write(tmp_path))
    assert machine is not None
    greeter = machine.services["greeter"]
    data = Part(0x20_0000, 0, 0, 100 << 10, 6)
    found = Findings()
    enough_memory(machine, greeter, found)
    enough_memory(machine, greeter, found, EMPTY)
    assert not found.items
    enough_memory(machine, greeter, found, (*EMPTY, data))
    assert [item.code for item in found.errors] == ["NK2203"]


#: what is denied → the operation that fails then
OPERATIONS = {
    "greeting": 'must_get(greeting.greet("world"))',
    "console": 'must_get(system.console_write(slot_of(console), b"greeted\\n"))',
    "power": "must(system.power_off(slot_of(power), number))",
}


#: by its line in the system file
GRANTED = {"greeting": "greeter.greeting", "console": "kernel.console", "power": "kernel.power"}


@pytest.mark.qemu
@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_denied_fails_and_nothing_else(nk: Nk, tmp_path: Path, name: str) -> None:
    write(tmp_path)
    assert nk("build", "--deny", f"visitor.{name}", "-o", "denied.elf").status == 0
    grants = described(archive_of(Image(tmp_path / "denied.elf"))[-1].content).services[1].grants
    assert [grant.name for grant in grants if isinstance(grant, Has) and grant.kind is GrantKind.NONE] == [name]
    result = nk("run", "--counted", "--timeout", LONGEST_RUN, "--json", "denied.elf")
    console = result.json["console"]
    assert "visitor has failed too often: the machine is switched off" in console
    shown = re.findall(r'^  File "visitor.py".*\n +(.*)$', console, re.MULTILINE)
    assert len(shown) == 2, "it was started again once"
    assert all(line.endswith(OPERATIONS[name]) for line in shown)
    line = f'system.toml:11: [service.visitor] was built without `uses.{name} = "{GRANTED[name]}"`'
    note = f"{line}: it isn't granted {name}"
    assert console.count(f"note: {note}\n") == 2
    assert [crash["note"] for crash in result.json["crashes"]] == [note] * 2
    assert ("\ngreeted\n" in console) == (name == "power")


def test_what_cannot_be_denied(nk: Nk, tmp_path: Path) -> None:
    write(tmp_path)
    for denied, message in (
        ("visiter.console", "did you mean `visitor`?"),
        ("visitor.consol", "did you mean `console`?"),
        ("greeter.greeting", "it is granted nothing"),
        ("visitor", "; visitor is granted: `console`, `greeting`, `power`"),
    ):
        result = nk("build", "--deny", denied)
        assert result.status == Exit.USAGE
        assert "error[NK1012]" in result.error and message in result.error
    assert nk("build", "--deny", "visitor.console", "greeter.py").status == Exit.USAGE


def test_a_program_that_is_wrong(nk: Nk, tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "greeter.py"
    path.write_text(path.read_text().replace("self.visitors += 1", 'self.visitors += "1"'))
    result = nk("build")
    assert result.status == Exit.COMPILE
    assert "greeter.py:15:" in result.error and "error[NK03" in result.error
    checked = nk("check", "--json").json
    assert checked["exit"] == Exit.COMPILE
    assert [item["file"] for item in checked["programs"][0]["diagnostics"]] == ["greeter.py"]


def test_the_systems_that_come_with_neokernel(nk: Nk) -> None:
    found = sorted((PACKAGE_ROOT / "systems").glob("*.toml"))
    assert found
    for path in found:
        result = nk("check", path)
        assert result.status == 0, result.error
        assert not result.error, "not even a warning"


def test_the_size_of_each_service(nk: Nk, tmp_path: Path) -> None:
    write(tmp_path)
    found = nk("size", "system.toml", "--json").json
    services, image = found["services"], found["image"]
    assert list(services) == ["greeter", "visitor"]
    for row in services.values():
        assert row["all"] == row["memory"] + row["preserve"] + row["pools"] + row["lent"]
        assert 0 < row["text"] < 1 << 16
    assert services["visitor"]["memory"] == 512 << 10, "its manifest's"
    assert image["total"] == sum(size for name, size in image.items() if name != "total")
    assert found["board"]["given"] == sum(row["all"] for row in services.values())
    shown = nk("size", "system.toml").output.splitlines()
    assert shown[0].split() == [
        "text",
        "rodata",
        "data",
        "tasks",
        "memory",
        "preserve",
        "pools",
        "lent",
        "all",
        "service",
    ]
    assert f"The boot image has {image['total']:,} bytes:" in shown[-1]
