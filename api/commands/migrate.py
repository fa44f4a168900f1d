"""formula migrate: the database, brought up to date."""

from api.commands.output import JsonFlag, out, print_json, running_settings
from migrations import runner


def migrate(json: JsonFlag = False) -> None:
    """Bring the database up to date. Safe to run again, and by several at once.

    Example: [bold]DATABASE_URL=postgresql://… REDIS_URL=redis://… formula migrate[/]
    """
    applied = runner.migrate(running_settings().database_url)
    if json:
        print_json({"applied": applied})
    else:
        out.print("\n".join(f"applied {name}" for name in applied) or "up to date")
