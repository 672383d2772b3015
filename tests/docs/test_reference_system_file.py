"""The page on system files is what the models say, and says all of it."""

from __future__ import annotations

from pydantic import BaseModel

from neokernel.cli import system_reference
from neokernel.image.systemfile import model
from neokernel.image.systemfile.codes import CODES
from neokernel.image.systemfile.needs import OBJECTS

PAGE = system_reference.PAGE.read_text(encoding="utf-8")


def test_the_page_is_up_to_date() -> None:
    assert system_reference.manual() == PAGE, "the models have changed: `nk manual` writes the page anew"


def test_every_key_is_on_the_page_and_described() -> None:
    tables = [each for each in vars(model).values() if isinstance(each, type) and issubclass(each, BaseModel)]
    for table in tables:
        for name, field in table.model_fields.items():
            assert field.description, f"{table.__name__}.{name}"
            if table not in (model.SystemFile, model.BoardFile):
                assert f"\n| `{name}` |" in PAGE
    assert len(tables) > 8


def test_every_object_and_code_is_on_the_page() -> None:
    assert all(f"Uses[{name}]" in PAGE for name in OBJECTS)
    assert all(f"| `{code}` |" in PAGE for code in CODES)
