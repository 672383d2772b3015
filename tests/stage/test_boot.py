"""Signed starts in QEMU: an image that is as it was signed boots; each way to change it ends with its message."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from neokernel.cli.run import one_with
from neokernel.image import qemu
from neokernel.image.boot import SignedBoot
from neokernel.image.build import build_image
from neokernel.image.elf import Image
from neokernel.image.panic import ConsoleFilter, PanicRecord
from neokernel.image.signed import Named, boot_image, enrolment, sign
from neokernel.image.stage import build_stage
from neokernel.stage.refusal import STATUS, Refusal, what_is_wrong, what_to_do
from tests.stage.support import HEADER, KEY, OTHER
from tests.support.machine import QEMU
from tests.support.patience import PATIENCE

pytestmark = pytest.mark.qemu
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "03_ping_pong"


@dataclass(frozen=True)
class Machine:
    """Files of one start."""

    folder: Path
    stage: Path
    image: bytes
    signature: bytes
    blob: bytes

    @property
    def loaded(self) -> bytes:
        return self.image + self.signature

    def start(self, loaded: bytes | None, blob: bytes | None) -> tuple[int, str]:
        """QEMU's status, and the console from the first stage on."""
        files = SignedBoot(self.folder, self.stage, self.folder / "loaded", self.folder / "blob")
        files.loaded.write_bytes(loaded or b"")
        files.enrolment.write_bytes(blob or b"")
        assert QEMU is not None
        arguments = qemu.signed_command(QEMU, files)
        if not loaded:
            del arguments[arguments.index("-initrd") :][:2]
        if not blob:
            arguments = arguments[: arguments.index("-device")]
        shown = bytearray()
        console = ConsoleFilter(after_start=True)
        outcome = qemu.run(arguments, console, shown.extend, timeout=PATIENCE)
        assert not outcome.panics
        return outcome.status, shown.decode()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    folder = tmp_path_factory.mktemp("signed")
    assert not build_image(EXAMPLE, folder / "system.elf").diagnostics
    assert not build_stage(folder / "stage.elf").diagnostics
    image = boot_image(folder / "system.elf")
    blob = enrolment([Named("somebody", KEY.public_key().public_bytes_raw())])
    return Machine(folder, folder / "stage.elf", image, sign(image, KEY), blob)


def test_a_signed_image_starts(machine: Machine) -> None:
    status, shown = machine.start(machine.loaded, machine.blob)
    assert status == 0
    first, second, *rest = shown.splitlines()
    assert first == "first stage: the image is signed by somebody"
    assert second.startswith("neokernel on hart 0: ")
    assert rest == [f"ping {n}: pong {n * n}, said to badge 7" for n in (1, 2, 3)]


def test_an_old_image_is_refused(machine: Machine) -> None:
    """One whose rollback index is the board's starts; so it does on a board with a lower one."""
    image = boot_image(machine.folder / "system.elf", rollback=7)
    loaded, keys = image + sign(image, KEY), [Named("somebody", KEY.public_key().public_bytes_raw())]
    refused(machine.start(loaded, enrolment(keys, least_rollback=8)), Refusal.TOO_OLD)
    assert machine.start(loaded, enrolment(keys, least_rollback=7))[0] == 0


def flipped(place: int) -> Callable[[Machine], bytes]:
    def change(machine: Machine) -> bytes:
        data = bytearray(machine.loaded)
        data[place] ^= 0x10
        return bytes(data)

    return change


def of_another_machine(machine: Machine) -> bytes:
    image = machine.image[:12] + (62).to_bytes(4, "little") + machine.image[16:]
    return image + machine.signature[:40] + KEY.sign(image[:HEADER])


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        pytest.param(flipped(0), Refusal.NOT_AN_IMAGE, id="magic"),
        pytest.param(flipped(36), Refusal.TRUNCATED, id="size"),
        pytest.param(flipped(48), Refusal.WRONG_SIGNATURE, id="hash"),
        pytest.param(flipped(HEADER + 5_000), Refusal.CONTENTS, id="kernel"),
        pytest.param(flipped(-105), Refusal.CONTENTS, id="archive"),
        pytest.param(flipped(-1), Refusal.WRONG_SIGNATURE, id="signature"),
        pytest.param(lambda machine: machine.loaded[:-1], Refusal.TRUNCATED, id="cut off"),
        pytest.param(lambda machine: machine.loaded + b"\0", Refusal.EXTENDED, id="extended"),
        pytest.param(lambda machine: machine.image, Refusal.NOT_SIGNED, id="unsigned"),
        pytest.param(lambda machine: machine.image + sign(machine.image, OTHER), Refusal.UNKNOWN_KEY, id="other key"),
        pytest.param(of_another_machine, Refusal.MACHINE, id="other processor"),
        pytest.param(lambda _: None, Refusal.NO_IMAGE, id="none"),
    ],
)
def test_a_changed_image_is_refused(
    machine: Machine, change: Callable[[Machine], bytes | None], refusal: Refusal
) -> None:
    refused(machine.start(change(machine), machine.blob), refusal)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        pytest.param(lambda _: None, Refusal.NOT_ENROLLED, id="none"),
        pytest.param(lambda blob: b"\xff" * 4096, Refusal.NOT_ENROLLED, id="erased"),
        pytest.param(lambda blob: blob[:40] + b"x" + blob[41:], Refusal.ENROLMENT_DAMAGED, id="damaged"),
    ],
)
def test_a_changed_blob_is_refused(machine: Machine, change: Callable[[bytes], bytes | None], refusal: Refusal) -> None:
    refused(machine.start(machine.loaded, change(machine.blob)), refusal)


def refused(outcome: tuple[int, str], refusal: Refusal) -> None:
    status, shown = outcome
    assert status == STATUS
    assert shown.splitlines() == [
        f"first stage: refused: {what_is_wrong(refusal)} ({refusal.name})",
        f"first stage: {what_to_do(refusal)}",
    ]


@pytest.mark.parametrize("refusal", list(Refusal))
def test_each_refusal_says_what_is_wrong_and_what_to_do(refusal: Refusal) -> None:
    wrong, help = str(what_is_wrong(refusal)), str(what_to_do(refusal))
    assert len(f"first stage: refused: {wrong} ({refusal.name})") <= 120
    assert wrong and help and wrong != help


def test_what_is_placed_elsewhere_is_refused(machine: Machine) -> None:
    """A key has signed an image whose archive lies where the first stage does."""
    image = machine.image
    fields = [int.from_bytes(image[place : place + 8], "little") for place in (112, 144)]
    assert fields[0] == 0x8020_0000
    assert fields[1] % (2 << 20) == 0
    moved = bytearray(image)
    moved[144:152] = (0x8220_0000).to_bytes(8, "little")
    signed = bytes(moved) + machine.signature[:40] + KEY.sign(bytes(moved[:HEADER]))
    refused(machine.start(signed, machine.blob), Refusal.PLACE)


def test_the_first_stage_ends_where_it_may_not_write(machine: Machine) -> None:
    """Its own code isn't writable to it, nor is what it loads into executable: the link script's rights."""
    listing = build_symbols(machine.stage)
    assert listing["nk_load_end"] < listing["nk_stack_bottom"] < listing["nk_code_start"] < listing["nk_data_start"]
    assert all(listing[name] % (2 << 20) == 0 for name in ("nk_load_end", "nk_code_start", "nk_data_start"))


def build_symbols(path: Path) -> dict[str, int]:
    return {name: value for name, value in Image(path).symbols.items() if re.match("nk_", name)}


def test_the_same_source_gives_the_same_image(machine: Machine, tmp_path: Path) -> None:
    assert not build_image(EXAMPLE, tmp_path / "again.elf").diagnostics
    assert boot_image(tmp_path / "again.elf") == machine.image
    assert not build_stage(tmp_path / "stage.elf").diagnostics
    assert (tmp_path / "stage.elf").read_bytes() == machine.stage.read_bytes()
    assert replace(machine, signature=sign(machine.image, KEY)) == machine  # Ed25519 has no randomness


def test_a_panic_is_explained_by_who_panicked(machine: Machine) -> None:
    stage, system = Image(machine.stage), Image(machine.folder / "system.elf")
    for image, symbol in ((stage, "nk_start"), (system, "nk_boot")):
        panic = PanicRecord(3, image.symbols[symbol], 0, (0,) * 32)
        assert one_with([stage, system], panic) is image
    assert one_with([stage, system], PanicRecord(3, 0x1234, 0, (0,) * 32)) is system
