"""Object files from IR text, kept by content: what has been compiled once is not compiled again.

The store is a folder that anybody may delete at any time. A key is the hash of everything that an object depends
on: the text, the target, the options and the toolchain's version. Objects appear under their final name whole
(written, then renamed), so several builds can share the store.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from neokernel.compiler import ir, toolchain
from neokernel.compiler.llvm import CheckRecord, EmitOptions, Target, emit

#: bytes that the store may take before the oldest objects are deleted
MOST_BYTES = 512 << 20

#: numbers that one module's checks may take; see `per_module`
CHECKS_PER_MODULE = 1 << 20


def store() -> Path:
    """The folder of the store: `NK_CACHE`, or in the user's cache folder."""
    chosen = os.environ.get("NK_CACHE")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "neokernel"
    return base / "objects"


def compile_cached(texts: list[str], target: Target, level: int) -> list[Path]:
    """An object for each IR text, in order. Those that are missing are compiled side by side."""
    folder = store()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        # A home that can't be written: build without keeping anything.
        folder = Path(tempfile.mkdtemp(prefix="neokernel-"))
    common = f"{version('ziglang')}\0{target}\0{level}\0{toolchain.CODE}\0".encode()
    objects = [folder / f"{hashlib.sha256(common + text.encode()).hexdigest()}.o" for text in texts]
    missing = {path: text for path, text in zip(objects, texts, strict=True) if not path.exists()}

    def make(item: tuple[Path, str]) -> None:
        path, text = item
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            made = Path(temporary) / "object.o"
            toolchain.compile_ir(text, made, target, level)
            made.replace(path)

    # Big texts first, so that the last one to finish isn't the biggest.
    work = sorted(missing.items(), key=lambda item: -len(item[1]))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(make, work))
    for path in objects:
        os.utime(path)
    if missing:
        _prune(folder)
    return objects


def kept(parts: Iterable[str], make: Callable[[], bytes]) -> bytes:
    """Another maker's object, kept by content likewise. `parts`: all that it depends on."""
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    path = store() / f"{key}.o"
    try:
        data = path.read_bytes()
        os.utime(path)
        return data
    except OSError:
        data = make()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
            whole = Path(temporary) / "object.o"
            whole.write_bytes(data)
            whole.replace(path)
        _prune(path.parent)
    except OSError:
        pass  # a store that can't be written keeps nothing
    return data


def _prune(folder: Path) -> None:
    """Delete the objects that were not used for longest, down to the bound."""
    found = []
    for path in folder.glob("*.o"):
        try:
            status = path.stat()
        except OSError:
            continue
        found.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= MOST_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= size


def whole(program: ir.Program, target: Target, options: EmitOptions) -> tuple[list[Path], list[CheckRecord]]:
    """One object for the whole program: everything can be inlined everywhere."""
    emitted = emit(program, target, options)
    return compile_cached([emitted.text], target, options.level), emitted.checks


def per_module(program: ir.Program, target: Target, options: EmitOptions) -> tuple[list[Path], list[CheckRecord]]:
    """An object for each module, so that an edit costs the compilation of one.

    Each module numbers its checks from a multiple of CHECKS_PER_MODULE of its own, so that an edit leaves the
    others' alone.
    """
    by_module: dict[str, list[ir.Function]] = {}
    for function in program.functions:
        by_module.setdefault(function.module, []).append(function)
    everything = frozenset(function.symbol for function in program.functions)
    texts: list[str] = []
    checks: list[CheckRecord] = []
    for number, name in enumerate(sorted(by_module)):
        part = ir.Program(by_module[name], [], program.sources)
        own = EmitOptions(
            checks=options.checks,
            debug=options.debug,
            level=options.level,
            exported=everything,
            first_check=number * CHECKS_PER_MODULE,
        )
        emitted = emit(part, target, own)
        texts.append(emitted.text)
        checks += emitted.checks
    if program.assembly:
        texts.append(emit(ir.Program([], program.assembly, {}), target, EmitOptions(debug=False)).text)
    return compile_cached(texts, target, options.level), checks
