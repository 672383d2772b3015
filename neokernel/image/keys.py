"""Ed25519 keys in files: private ones as PKCS #8, public ones as SubjectPublicKeyInfo, both PEM, so that other tools
read them; and this user's development key, made when it is first needed.

Invariants: a private key's file is readable for its owner alone from its first byte on; no file is overwritten. What
isn't such a key raises `BadKey`, whose message never holds the file's text.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from neokernel.image.signed import Named, is_name

PRIVATE, PUBLIC = ".key", ".pub"
DEVELOPMENT = "development"
#: a key's file is far shorter
MOST_BYTES = 1 << 16


class BadKey(Exception):
    """The file is no key of ours."""


def new_key(path: Path) -> tuple[Path, Path]:
    """Make `path`.key and `path`.pub. Raises FileExistsError if one is there."""
    private, public = path.with_name(path.name + PRIVATE), path.with_name(path.name + PUBLIC)
    if public.exists():
        raise FileExistsError(None, None, str(public))
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
    write_public(public, key)
    return private, public


def write_public(path: Path, key: Ed25519PrivateKey) -> None:
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def read_private(path: Path) -> Ed25519PrivateKey:
    text = read(path)
    try:
        key = load_pem_private_key(text, None)
    except TypeError:
        raise BadKey(f"{path} is encrypted, and nobody is asked for passwords here") from None
    except (ValueError, UnsupportedAlgorithm):
        no_key(path, text, "private", b"PUBLIC", "public one: the private one signs")
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey(f"{path} is another kind of key: images are signed with Ed25519")
    return key


def read_public(path: Path) -> Named:
    """A public key, which is called like its file."""
    text = read(path)
    try:
        key = load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        no_key(path, text, "public", b"PRIVATE", "private one: that never leaves its owner. Its public one is enrolled")
    if not isinstance(key, Ed25519PublicKey):
        raise BadKey(f"{path} is another kind of key: images are signed with Ed25519")
    if not is_name(path.stem):
        raise BadKey(f"a key is called like its file: {path.stem!r} has more than 32 letters, or other than plain ones")
    return Named(path.stem, key.public_bytes_raw())


def read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES)


def no_key(path: Path, text: bytes, wanted: str, other: bytes, explained: str) -> NoReturn:
    if b"BEGIN " + other in text:
        raise BadKey(f"{path} is a {explained}")
    raise BadKey(f"{path} is no {wanted} key in PEM")


# --- for development --------------------------------------------------------------------------------------------------


def state_folder() -> Path:
    """What `nk` keeps for this user: `NK_STATE`, or in the user's state folder."""
    chosen = os.environ.get("NK_STATE")
    return (
        Path(chosen) if chosen else Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "neokernel"
    )


def development_key() -> tuple[Ed25519PrivateKey, Named]:
    """The user's key for what runs on their own machine, made on first use. Two that begin at once get the same."""
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    private = folder / f"{DEVELOPMENT}{PRIVATE}"
    if not private.exists():
        make_development_key(private)
    key = read_private(private)
    return key, Named(DEVELOPMENT, key.public_key().public_bytes_raw())


def make_development_key(private: Path) -> None:
    """In a folder of its own first: whoever looks sees a whole key, and the first one that comes stays."""
    with tempfile.TemporaryDirectory(dir=private.parent) as folder:
        made, public = new_key(Path(folder) / DEVELOPMENT)
        with contextlib.suppress(FileExistsError):
            os.link(made, private)
            public.replace(private.with_suffix(PUBLIC))
