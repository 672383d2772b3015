"""`nk embed`: a folder of files as a module, which has them byte by byte."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from neokernel import lang
from neokernel.cli.errors import Exit
from neokernel.image import embedding
from neokernel.image.embedding import KINDS, files_of, source_of
from tests.cli.support import EXAMPLES, Nk


def folder_of(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def test_the_module_has_every_byte(tmp_path: Path) -> None:
    files = {
        "index.html": b"<p>'\"\\\n\r\0\xff",
        "a/b.PNG": random.Random(1).randbytes(5_000),
        "empty": b"",
        "every.txt": bytes(range(256)),
    }
    folder = folder_of(tmp_path / "www", files | {".hidden": b"x", ".git/x": b"y"})
    source = source_of(files_of(folder), folder, tmp_path / "www_files.py")
    assert max(map(len, source.splitlines())) <= 120
    module = lang.load_module(source, "www_files")
    found = {bytes(each.path): each for each in module.FILES}
    assert {path.decode()[1:]: bytes(each.data) for path, each in found.items()} == files
    assert list(found) == sorted(found) and int(module.TOTAL) == sum(map(len, files.values()))
    assert bytes(found[b"/a/b.PNG"].kind).decode() == KINDS[".png"]
    assert bytes(found[b"/empty"].kind) == b"application/octet-stream"
    assert bytes(found[b"/empty"].tag).decode() == f'"{hashlib.sha256(b"").hexdigest()[:32]}"'


def test_it_says_whether_the_module_is_fresh(nk: Nk, tmp_path: Path) -> None:
    folder, module = folder_of(tmp_path / "www", {"a.txt": b"1"}), tmp_path / "files.py"
    assert nk("embed", folder, "-o", module, "--check").status == Exit.NEGATIVE and not module.exists()
    first = nk("embed", folder, "-o", module, "--json")
    assert first.status == 0 and first.json["files"] == 1
    assert nk("embed", folder, "-o", module, "--check").status == 0
    assert "nothing new" in nk("embed", folder, "-o", module).output
    (folder / "a.txt").write_bytes(b"2")
    stale = nk("embed", folder, "-o", module, "--check")
    assert stale.status == Exit.NEGATIVE and "isn't what" in stale.output
    assert not nk("embed", folder, "-o", module, "--check", "--json").json["fresh"]


def test_what_cant_be_embedded(nk: Nk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    umlaut = folder_of(tmp_path / "umlaut", {"\xfc.txt": b""})
    good = folder_of(tmp_path / "good", {"a": bytes(100)})
    for folder, module, said in (
        (tmp_path / "nothing", "a.py", "no folder"),
        (tmp_path / "empty", "a.py", "no file"),
        (umlaut, "a.py", "characters"),
        (good, "a-b.py", "module"),
        (good, "a.txt", "module"),
    ):
        refused = nk("embed", folder, "-o", tmp_path / module)
        assert refused.status == Exit.USAGE and "NK1014" in refused.error and said in refused.error, said
    assert "NK1005" in nk("embed", good, "-o", tmp_path / "no" / "a.py").error
    monkeypatch.setattr(embedding, "MOST", 99)
    assert "more than 99 bytes" in nk("embed", good, "-o", tmp_path / "a.py").error


def test_the_examples_module_is_fresh(nk: Nk) -> None:
    folder = EXAMPLES / "11_static"
    assert nk("embed", folder / "www", "-o", folder / "www_files.py", "--check").status == 0
