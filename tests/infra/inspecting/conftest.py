from collections.abc import Callable
from pathlib import Path

import pytest

from domain.errors import Invalid
from infra.inspecting.inspecting import inspect
from infra.inspecting.model import Infected, Rejected
from infra.inspecting.recognising import HEAD, recognise

Look = Callable[[bytes, str], str]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """As an upload goes: by its first bytes, then as a whole; the code, or what was found."""

    def looked(data: bytes, name: str) -> str:
        try:
            kind = recognise(data[:HEAD], name)
        except Invalid as refused:
            return refused.code
        path = tmp_path / "upload"
        path.write_bytes(data)
        match inspect(path, name, kind):
            case Rejected(code=code):
                return code.value
            case Infected(signature=signature):
                return signature
            case _:
                return "clean"

    return looked
