"""`nk doctor` and `nk debug`: what is there, what is missing, what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.cli import doctor
from neokernel.cli.errors import Exit
from tests.cli.support import EXAMPLES, Nk


def fake(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_json(nk: Nk) -> None:
    result = nk("doctor", "--json")
    findings = {finding["name"]: finding for finding in result.json["findings"]}
    assert {"python", "click", "llvmlite", "ziglang", "qemu", "gdb", "terminal", "disk"} <= set(findings)
    for finding in findings.values():
        assert set(finding) == {"name", "state", "detail", "required", "advice"}
        assert finding["state"] in {"good", "old", "missing"}
        assert finding["state"] == "good" or finding["advice"]
    lacking = [finding for finding in findings.values() if finding["required"] and finding["state"] != "good"]
    assert result.status == result.json["exit"] == bool(lacking)


def test_text(nk: Nk) -> None:
    assert "python" in nk("doctor").output


def test_without_qemu(nk: Nk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = nk("doctor")
    assert result.status == Exit.NEGATIVE
    assert "required: qemu" in result.output


@pytest.mark.parametrize(
    ("version", "state", "lacking"),
    [("7.1.0", "old", None), ("7.2.22", "good", 2), ("9.2.4", "good", 1), ("10.0.2", "good", 0)],
)
def test_qemu_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, state: str, lacking: int | None
) -> None:
    fake(tmp_path, "qemu-system-riscv64", f"echo 'QEMU emulator version {version} (Debian)'")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor, "distribution", lambda: ("debian", "12"))
    first, *rest = list(doctor.check_qemu())
    assert first.state.value == state
    assert sum(finding.detail.count("IOMMU") for finding in rest) == (lacking or 0)
    assert all("bookworm-backports" in finding.advice for finding in rest)


def test_debug_without_gdb(nk: Nk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nk("build", EXAMPLES / "01_hello", "-o", "image.elf")
    fake(tmp_path, "qemu-system-riscv64", "exit 1")
    fake(tmp_path, "gdb", "echo 'Undefined item: \"riscv:rv64\".' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    result = nk("debug", "image.elf")
    assert result.status == Exit.UNREACHABLE
    assert "gdb-multiarch" in result.error


@pytest.mark.qemu
def test_debug_connects_and_ends(nk: Nk, tmp_path: Path) -> None:
    """A gdb of ours: it speaks to QEMU's stub and gives the status back."""
    nk("build", EXAMPLES / "01_hello", "-o", "image.elf")
    script = (
        'for word in "$@"; do case "$word" in "target remote "*) socket=${word#target remote };; esac; done\n'
        'test -S "$socket" && exit 7'
    )
    assert nk("debug", "--gdb", fake(tmp_path, "gdb", script), "image.elf").status == 7
    shown = nk("debug", "--json", "--gdb", tmp_path / "gdb", "image.elf").json
    assert "-S" in shown["qemu"]
    assert "tbreak nk_start" in shown["gdb"]
    shown = nk("debug", "--json", "--gdb", tmp_path / "gdb", EXAMPLES / "01_hello").json
    assert "tbreak main.py:19" in shown["gdb"]
