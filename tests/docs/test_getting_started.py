"""Getting started: its program does what it says; the links of all pages lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from tests.support.patience import PATIENCE

PAGE = (PACKAGE_ROOT / "docs" / "guide" / "getting-started.md").read_text(encoding="utf-8")
PAGES = [PACKAGE_ROOT / "README.md", *sorted((PACKAGE_ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)[^)\s]*\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def nk(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = f"import sys; sys.path.insert(0, {str(PACKAGE_ROOT)!r}); from neokernel.cli.main import main; main()"
    line = [sys.executable, "-c", program, *arguments]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PACKAGE_ROOT), "PYTEST_ADDOPTS": "-p no:cacheprovider"}
    return subprocess.run(
        line, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def test_the_first_program_and_its_tests(tmp_path: Path) -> None:
    program, tests = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "count.py").write_text(program, encoding="utf-8")
    (tmp_path / "test_count.py").write_text(tests, encoding="utf-8")
    assert nk(tmp_path, "check", "count.py").stdout == "count.py: nothing wrong; a program for the bare machine\n"
    ran = nk(tmp_path, "run", "--host", "count.py")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "1\n2\n3\n", "")
    assert nk(tmp_path, "build", "count.py").returncode == 0
    assert {path.name for path in (tmp_path / "build").iterdir()} == {"count.elf", "count.checks.json"}
    tested = nk(tmp_path, "test", "-q")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "1 passed" in tested.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PACKAGE_ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    # A link's text may be code, and code may look like a link.
    text = CODE.sub("code", page.read_text(encoding="utf-8"))
    links = [link for link in LINK.findall(text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_guide_to_the_language_is_near() -> None:
    assert "(docs/guide/language.md)" in PAGES[0].read_text(encoding="utf-8")
    assert "(language.md)" in PAGE
