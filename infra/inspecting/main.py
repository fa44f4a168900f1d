"""python -m infra.inspecting.main PATH NAME CONTENT_TYPE: says the verdict as JSON, in one line."""

import sys
from pathlib import Path

import msgspec

from infra.inspecting.inspecting import inspect
from infra.inspecting.kinds import kind_of


def main() -> None:
    path, name, content_type = sys.argv[1:]
    verdict = inspect(Path(path), name, kind_of(content_type))
    sys.stdout.write(msgspec.json.encode(verdict).decode() + "\n")


if __name__ == "__main__":
    main()
