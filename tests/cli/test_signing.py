"""`nk image`, `key`, `sign`, `verify`, `enrol`, and `nk run` through the first stage."""

from __future__ import annotations

import os
import re
import stat
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from neokernel.cli.errors import Exit
from neokernel.image.keys import DEVELOPMENT, development_key, state_folder
from neokernel.stage.refusal import Refusal
from tests.cli.support import EXAMPLES, Nk
from tests.stage.support import HEADER, Image, look
from tests.support.patience import LONGEST_RUN

PING_PONG = EXAMPLES / "03_ping_pong"


@pytest.fixture
def small(nk: Nk) -> Path:
    """A boot image that nobody starts, in the folder where commands run."""
    path = Path("small.img")
    path.write_bytes(Image().data())
    return path


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_new_key(nk: Nk) -> None:
    made = nk("key", "new", "release")
    assert made.status == 0
    private, public = Path("release.key"), Path("release.pub")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    key = load_pem_private_key(private.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    assert private.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")  # PKCS #8
    assert public.read_bytes().startswith(b"-----BEGIN PUBLIC KEY-----")
    shown = nk("key", "show", "--json", public).json
    assert shown["name"] == "release"
    assert bytes.fromhex(shown["public"]) == key.public_key().public_bytes_raw()
    assert shown["fingerprint"] in made.output


def test_a_private_key_is_its_owners_whatever_other_files_are(nk: Nk) -> None:
    before = os.umask(0)
    try:
        assert nk("key", "new", "k").status == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path("k.key").stat().st_mode) == 0o600


def test_no_key_is_overwritten(nk: Nk) -> None:
    assert nk("key", "new", "k").status == 0
    before = Path("k.key").read_bytes(), Path("k.pub").read_bytes()
    again = nk("key", "new", "k")
    assert again.status == Exit.USAGE
    assert "k.pub is there, and no key is overwritten" in again.error
    Path("k.pub").unlink()
    again = nk("key", "new", "k")
    assert "k.key is there, and no key is overwritten" in again.error
    assert Path("k.key").read_bytes() == before[0]


@pytest.mark.parametrize("name", ["a b", "ä", "x" * 33])
def test_names_that_keys_cant_have(nk: Nk, name: str) -> None:
    result = nk("key", "new", name)
    assert result.status == Exit.TRUST
    assert result.error.startswith("error[NK1501]: ")
    assert not list(Path().iterdir())


def test_files_that_are_no_keys(nk: Nk, small: Path) -> None:
    nk("key", "new", "k")
    key = Ed25519PrivateKey.generate()
    other = generate_private_key(SECP256R1())
    pem, pkcs8 = Encoding.PEM, PrivateFormat.PKCS8
    Path("encrypted").write_bytes(key.private_bytes(pem, pkcs8, BestAvailableEncryption(b"password")))
    Path("curve").write_bytes(other.private_bytes(pem, pkcs8, NoEncryption()))
    Path("curve.pub").write_bytes(other.public_key().public_bytes(pem, PublicFormat.SubjectPublicKeyInfo))
    Path("noise").write_bytes(bytes(range(256)))
    Path("cut").write_bytes(Path("k.key").read_bytes()[:80])
    Path("two words.pub").write_bytes(Path("k.pub").read_bytes())
    for file, said in {
        "encrypted": "encrypted is encrypted, and nobody is asked for passwords here",
        "curve": "curve is another kind of key",
        "noise": "noise is no private key in PEM",
        "cut": "cut is no private key in PEM",
        "k.pub": "k.pub is a public one: the private one signs",
    }.items():
        result = nk("sign", small, "--key", file)
        assert result.status == Exit.TRUST, file
        assert result.error.startswith(f"error[NK1501]: {said}"), result.error
        assert not Path("small.img.sig").exists()
    for file, said in {
        "curve.pub": "curve.pub is another kind of key",
        "noise": "noise is no public key in PEM",
        "k.key": "k.key is a private one: that never leaves its owner",
        "two words.pub": "a key is called like its file: 'two words'",
    }.items():
        result = nk("enrol", "--key", file, "-o", "blob")
        assert result.status == Exit.TRUST, file
        assert result.error.startswith(f"error[NK1501]: {said}"), result.error
        assert not Path("blob").exists()
    assert nk("sign", small, "--key", "nowhere").error.startswith("error[NK1005]: nowhere: No such file")


def test_development_keys_made_at_once_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NK_STATE", str(tmp_path / "state"))
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(development_key()[1].public)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    assert len(set(found)) == 1
    names = sorted(path.name for path in state_folder().iterdir())
    assert names == [f"{DEVELOPMENT}.key", f"{DEVELOPMENT}.pub"]
    assert stat.S_IMODE(state_folder().joinpath(f"{DEVELOPMENT}.key").stat().st_mode) == 0o600


# --- signatures -------------------------------------------------------------------------------------------------------


def test_sign_and_verify(nk: Nk, small: Path) -> None:
    for name in ("a", "b"):
        nk("key", "new", name)
    before = small.read_bytes()
    unsigned = nk("verify", small)
    assert unsigned.status == Exit.TRUST
    assert (
        "small.img isn't signed: there is no small.img.sig" in unsigned.error and "`nk sign small.img" in unsigned.error
    )
    assert nk("sign", small, "--key", "a.key").status == 0
    assert small.read_bytes() == before
    first = Path("small.img.sig").read_bytes()
    assert nk("sign", small, "--key", "a.key").status == 0
    assert Path("small.img.sig").read_bytes() == first
    fingerprint = nk("key", "show", "--json", "a.pub").json["fingerprint"]
    assert nk("verify", small).output == f"small.img: signed with key {fingerprint}\n"
    assert (
        nk("verify", small, "--key", "b.pub", "--key", "a.pub").output
        == f"small.img: signed with key a {fingerprint}\n"
    )
    other = nk("verify", small, "--key", "b.pub")
    assert other.status == Exit.TRUST
    assert other.error.startswith(f"error[NK1502]: small.img is signed with key {fingerprint}, which is none of those")
    nk("enrol", "--key", "a.pub", "-o", "blob")
    assert not isinstance(look(before + first, Path("blob").read_bytes()), Refusal)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: b"", "it has 0 bytes"),
        (lambda data: b"\x7fELF" + data, "it doesn't begin like an image"),
        (lambda data: data[:8] + b"\2" + data[9:], "it is of version 2"),
        (lambda data: data[:-1], "it has 271 bytes, and says that it has 272"),
        (lambda data: data + b"\0", "it has 273 bytes, and says that it has 272"),
        (lambda data: data[:-1] + b"!", "its contents aren't those that its header has the hash of"),
    ],
)
def test_what_is_no_image_is_neither_signed_nor_verified(nk: Nk, small: Path, change: object, said: str) -> None:
    nk("key", "new", "k")
    nk("sign", small, "--key", "k.key")
    Path("other.img").write_bytes(change(small.read_bytes()))  # type: ignore[operator]
    signing = nk("sign", "other.img", "--key", "k.key")
    assert (signing.status, signing.error.startswith(f"error[NK1502]: other.img: {said}")) == (Exit.TRUST, True), (
        signing.error
    )
    verifying = nk("verify", "other.img", "--signature", "small.img.sig")
    assert (verifying.status, verifying.error.startswith(f"error[NK1502]: other.img: {said}")) == (Exit.TRUST, True)


def test_what_is_no_signature(nk: Nk, small: Path) -> None:
    nk("key", "new", "k")
    nk("sign", small, "--key", "k.key")
    signature = Path("small.img.sig")
    good = signature.read_bytes()
    for data, said in {
        good[:-1]: "its signature isn't one",
        b"x" + good[1:]: "its signature isn't one",
        good[:-1] + bytes([good[-1] ^ 1]): "its signature is of something else",
    }.items():
        signature.write_bytes(data)
        assert nk("verify", small).error.startswith(f"error[NK1502]: small.img: {said}")
    signature.unlink()
    assert nk("verify", small).error.startswith("error[NK1502]: small.img isn't signed: there is no small.img.sig")


def test_too_many_keys(nk: Nk) -> None:
    nk("key", "new", "k")
    keys = [word for _ in range(33) for word in ("--key", "k.pub")]
    result = nk("enrol", *keys, "-o", "blob")
    assert result.status == Exit.TRUST
    assert "33 keys; there is room for 32" in result.error


def test_rollback_indices(nk: Nk, small: Path) -> None:
    """What is told of them; a start that is refused because of one is the first stage's test."""
    nk("key", "new", "a")
    newer = Image(rollback=3)
    Path("newer.img").write_bytes(newer.data())
    for image, index in ((small, 0), (Path("newer.img"), 3)):
        assert nk("sign", image, "--key", "a.key").status == 0
        assert nk("verify", "--json", image).json["rollback_index"] == index
        assert ("rollback index 3" in nk("verify", image).output) == (index == 3)
    enrolled = nk("enrol", "--key", "a.pub", "--rollback-index", 3, "-o", "blob")
    assert enrolled.output.endswith("blob: 160 bytes, images of rollback index 3 and up\n")
    assert nk("enrol", "--json", "--key", "a.pub", "--rollback-index", 3, "-o", "blob").json["rollback_index"] == 3
    loaded = {path: path.read_bytes() + Path(f"{path}.sig").read_bytes() for path in (small, Path("newer.img"))}
    blob = Path("blob").read_bytes()
    found = {path.name: look(data, blob) for path, data in loaded.items()}
    assert found["small.img"] is Refusal.TOO_OLD
    assert not isinstance(found["newer.img"], Refusal)
    for wrong in (-1, 1 << 64, "new"):
        assert nk("enrol", "--key", "a.pub", "--rollback-index", wrong, "-o", "blob").status == Exit.USAGE


def test_enrolment_as_json(nk: Nk) -> None:
    nk("key", "new", "a")
    nk("key", "new", "b")
    shown = nk("enrol", "--json", "--key", "a.pub", "--operator", "b.pub", "-o", "blob").json
    assert [(key["role"], key["name"]) for key in shown["keys"]] == [("image", "a"), ("operator", "b")]
    assert shown["bytes"] == len(Path("blob").read_bytes())


# --- images and starts ------------------------------------------------------------------------------------------------


def test_a_bare_program_has_nothing_to_sign(nk: Nk) -> None:
    for arguments in (("image", EXAMPLES / "01_hello"), ("run", "--signed", EXAMPLES / "01_hello")):
        result = nk(*arguments)
        assert result.status == Exit.TRUST
        assert result.error.removeprefix("building 01_hello\n").startswith("error[NK1502]: ")
    nk("build", EXAMPLES / "01_hello", "-o", "hello.elf")
    assert nk("image", "hello.elf").error.startswith("error[NK1502]: hello.elf has no kernel in it")


def test_images_are_the_same_for_everybody(nk: Nk) -> None:
    """Keys are nowhere in them."""
    first = nk("image", "--json", PING_PONG).json
    second = nk("image", "--json", PING_PONG, "-o", "elsewhere.img").json
    third = nk("image", "--json", "build/03_ping_pong.elf", "-o", "third.img").json
    assert first["sha256"] == second["sha256"] == third["sha256"]
    data = Path("elsewhere.img").read_bytes()
    assert len(data) == first["bytes"] <= 300 << 10
    assert Path(first["image"]) == Path("build/03_ping_pong.img")
    assert isinstance(look(data), Refusal)
    assert look(data) is Refusal.NOT_SIGNED
    assert data[:7] == b"nkimage" and len(data) > HEADER


@pytest.mark.qemu
def test_from_key_to_start(nk: Nk) -> None:
    for arguments in (
        ("key", "new", "release"),
        ("image", PING_PONG),
        ("sign", "build/03_ping_pong.img", "--key", "release.key"),
        ("enrol", "--key", "release.pub", "-o", "board"),
    ):
        assert nk(*arguments).status == 0
    started = nk("run", "build/03_ping_pong.img", "--enrolment", "board", "--timeout", LONGEST_RUN)
    assert started.status == 0
    lines = started.output.splitlines()
    assert lines[0] == "first stage: the image is signed by release"
    assert re.match("neokernel on hart 0: ", lines[1])
    assert lines[2] == "ping 1: pong 1, said to badge 7"
    refused = nk("run", "build/03_ping_pong.img", "--timeout", LONGEST_RUN)
    assert refused.status == Exit.TRUST
    assert refused.output.startswith("first stage: refused: the image is signed with a key that isn't enrolled")


def test_what_cant_be_started(nk: Nk, small: Path) -> None:
    with Path("huge.img").open("wb") as file:
        file.truncate(100 << 20)
    huge = nk("run", "huge.img")
    assert (huge.status, huge.error.splitlines()[:2]) == (
        Exit.TRUST,
        [
            "building the first stage",
            "error[NK1502]: huge.img: it has 104,857,600 bytes, and the machine has room for 29,360,128",
        ],
    )
    assert "\nerror[NK1005]: nowhere: No such file" in nk("run", small, "--enrolment", "nowhere").error
    assert nk("run", "--signed", "--host", PING_PONG).status == Exit.USAGE


@pytest.mark.qemu
def test_signed_for_oneself(nk: Nk) -> None:
    started = nk("run", "--signed", PING_PONG, "--timeout", LONGEST_RUN)
    assert started.status == 0
    assert started.output.startswith(f"first stage: the image is signed by {DEVELOPMENT}\nneokernel on hart 0: ")
    left = {path.name.partition(".")[2] for path in Path("build").iterdir()}
    assert left == {"elf", "checks.json", "programs", "img", "img.sig", "console"}
    again = nk("run", "build/03_ping_pong.img", "--timeout", LONGEST_RUN)
    assert again.output == started.output


@pytest.mark.qemu
def test_a_crash_of_a_signed_program_has_its_traceback(nk: Nk) -> None:
    Path("crash.py").write_text(
        '"""Crash."""\n\nfrom neokernel.lang import u64\nfrom neokernel.runtime.process import Process\n\n\n'
        "def main(process: Process) -> None:\n    x: u64 = process.frequency\n    process.exit(u64(1) // (x - x))\n"
    )
    crashed = nk("run", "--signed", "crash.py", "--timeout", LONGEST_RUN)
    assert crashed.status == 101
    assert "DivisionByZero" in crashed.error
    again = nk("run", "build/crash.img", "--timeout", LONGEST_RUN)
    traceback = crashed.error[crashed.error.index("Traceback") :]
    assert again.error.endswith(f"booting build/crash.img\n{traceback}")
    Path("build/crash.elf").write_bytes(b"\x7fELF")
    without = nk("run", "build/crash.img", "--timeout", LONGEST_RUN)
    assert without.status == 101
    assert "DivisionByZero" not in without.error
    assert without.error != ""
