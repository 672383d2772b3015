"""The host's model of the processor and the machine's own: whatever the kernel uses, both have it, in the same form."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from neokernel import lang
from neokernel.arch import cpu
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.kernel import boot, inventory
from neokernel.kernel.objects import ASIDS
from tests.kernel.support import Machine

MODEL = PACKAGE_ROOT / "neokernel/arch/cpu.py"
REAL = PACKAGE_ROOT / "neokernel/arch/riscv64/cpu.py"
KERNEL = [*sorted((PACKAGE_ROOT / "neokernel/kernel").glob("*.py")), PACKAGE_ROOT / "neokernel/arch/riscv64/boot.py"]


def surface(path: Path) -> dict[str, str]:
    """What a module defines: functions by their parameters and results, classes and constants by their kind."""
    found = {}
    for node in ast.parse(path.read_text()).body:
        match node:
            case ast.FunctionDef():
                found[node.name] = f"({ast.unparse(node.args)}) -> {ast.unparse(node.returns or ast.Constant(None))}"
            case ast.ClassDef():
                found[node.name] = "class"
            case ast.Assign(targets=[ast.Name(id=name)]):
                found[name] = "constant"
    return found


def fields(path: Path) -> dict[str, str]:
    """The fields of `Cpu`, with their types."""
    (found,) = (
        node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef) and node.name == "Cpu"
    )
    return {
        node.target.id: ast.unparse(node.annotation)
        for node in found.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def used(path: Path) -> set[str]:
    """What a module takes of `neokernel.arch.cpu`, by import or as `cpu.…`."""
    tree = ast.parse(path.read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {alias.name for node in imports if node.module == "neokernel.arch.cpu" for alias in node.names}
    if any(node.module == "neokernel.arch" and [alias.name for alias in node.names] == ["cpu"] for node in imports):
        names |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "cpu"
        }
    return names


def used_fields(path: Path) -> set[str]:
    """The fields of `….cpu.FIELD`: no other struct of the kernel has a field `cpu`."""
    return {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "cpu"
    }


def test_both_have_what_the_kernel_uses() -> None:
    model, real = surface(MODEL), surface(REAL)
    names = set().union(*map(used, KERNEL))
    assert {"prepare", "asid_limit", "leave", "put", "Cpu", "DIRECT"} <= names, "the test sees what is used"
    assert {name: model.get(name, "missing") for name in names} == {name: real.get(name, "missing") for name in names}
    assert "missing" not in {model.get(name, "missing") for name in names}


def test_what_both_have_is_alike() -> None:
    model, real = surface(MODEL), surface(REAL)
    assert {name: model[name] for name in model.keys() & real} == {name: real[name] for name in model.keys() & real}


def test_fields_of_the_machine_are_fields_of_the_model() -> None:
    model, real = fields(MODEL), fields(REAL)
    assert real.items() <= model.items()
    assert set().union(*map(used_fields, KERNEL)) <= real.keys()


@pytest.mark.parametrize("path", KERNEL, ids=lambda path: path.stem)
def test_the_kernel_is_typed_without_exceptions(path: Path) -> None:
    assert "type: ignore" not in path.read_text()


def test_boot_prepares_the_model() -> None:
    hart, found = Machine().hart, inventory.Inventory()
    found.plic.base, found.isa = lang.u64(0xC00_0000), lang.byte_view(b"rv64imac_sstc")
    boot.prepare(hart, found, lang.u64(1))
    assert (hart.cpu.controller - cpu.DIRECT, hart.cpu.context, hart.cpu.sstc) == (0xC00_0000, 1, True)
    assert hart.asid_limit == ASIDS
