"""The schema that all migrations together make, as SQL: `python -m migrations.schema`."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from infra.embedded import embedded_servers
from infra.programs import postgres_programs
from migrations.runner import FOLDER, migrate

SCHEMA = FOLDER / "schema.sql"


def dump(conninfo: str) -> str:
    """What pg_dump says of the database, without what differs from run to run."""
    result = subprocess.run(  # noqa: S603, our own program and address
        [
            postgres_programs() / "pg_dump",
            "--schema-only",
            "--no-owner",
            "--no-privileges",  # migrations/roles.py
            "--exclude-table=formula_motion_events_*",  # partitions come and go
            f"--dbname={conninfo}",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [line for line in result.stdout.splitlines() if not _differs(line)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _differs(line: str) -> bool:
    return line.startswith(("--", "\\restrict", "\\unrestrict", "SET ", "SELECT pg_catalog"))


def main() -> int:
    """Write schema.sql anew, from an empty database."""
    with tempfile.TemporaryDirectory(prefix="formula-schema-") as folder:
        Path(folder).chmod(0o755)  # the embedded server may run as another user
        with embedded_servers(Path(folder) / "data", durable=False) as servers:
            migrate(servers.database_url)
            SCHEMA.write_text(dump(servers.database_url))
    sys.stdout.write(f"wrote {os.path.relpath(SCHEMA)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
