"""Least privilege: what each process's role may do in the database, granted after each migration.

- The owner (whoever migrates) has everything. No process needs it.
- `formula_app`, of the API: appends to the log and can neither change nor remove what is there,
  keeps passwords and tokens, and only reads what the others write, but for what operators ask of
  read models.
- `formula_projector`, of projectors, workers and schedulers: owns the read models and what is
  dropped by age; it sees no passwords and cannot change the log either.
- `formula_analyst`: sees the schema `analytics` and is what analysts' queries run as.

They are made without a log-in: `ALTER ROLE formula_app LOGIN PASSWORD '…'`, then give the API a
DATABASE_URL of that user. `formula up` does so for its own server.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, LiteralString, cast

import psycopg
import structlog
from psycopg import sql
from psycopg.errors import DuplicateObject, InsufficientPrivilege, UniqueViolation

APP, PROJECTOR, ANALYST = "formula_app", "formula_projector", "formula_analyst"

NOTHING, READ, ADD = "", "SELECT", "SELECT, INSERT"
WRITE = "SELECT, INSERT, UPDATE, DELETE"
NEW = "projection, schema, version, state, target"  # what is said of a generation that is asked for
ASKED = "state, target, asked_at, changed_at, instead_of, began"  # of a generation
OWN = "own"  # whoever drops partitions must own the table

# Of each table what the API may, and what projectors, workers and schedulers may. A table that is
# not here is closed to both: tests/infra/test_roles.py.
TABLES: Mapping[str, tuple[str, str]] = {
    "formula_events": (ADD, ADD),
    "formula_motion_events": (ADD, OWN),
    "formula_log": (READ, READ),
    "formula_snapshots": (WRITE, WRITE),
    "formula_epoch": (READ, READ),
    "formula_migrations": (READ, READ),
    "formula_credentials": (WRITE, "SELECT (user_id, changed_at)"),  # links are bound to those
    # Those that are over, and of whose log-in it is.
    "formula_refresh_tokens": (WRITE, "SELECT (family, expires_at, revoked_at), DELETE"),
    "formula_api_keys": (WRITE, NOTHING),
    "formula_keys": (READ, READ),  # private halves are sealed; workers sign the links of mails
    "formula_nodes": (WRITE, WRITE),
    "formula_log_levels": (WRITE, WRITE),
    "formula_samples": (ADD, OWN),
    "formula_rollups_1m": (READ, OWN),
    "formula_rollups_1h": (READ, OWN),
    "formula_rollups_1d": (READ, OWN),
    "formula_readers": (WRITE, WRITE),
    "formula_uploads": (WRITE, WRITE),
    "formula_keyframes": (WRITE, WRITE),
    "formula_checkpoints": (READ, WRITE),
    # Operators ask by REST: whoever builds makes the tables and does what is asked of letters.
    "formula_generations": (f"{READ}, INSERT ({NEW}), UPDATE ({ASKED})", WRITE),
    "formula_slices": (ADD, WRITE),
    "formula_dead_letters": ("SELECT, UPDATE (asked)", WRITE),
    "formula_skipped_events": (ADD, WRITE),
    "formula_pruned": (READ, WRITE),
    "formula_daily": (READ, WRITE),
    "formula_project_days": (READ, WRITE),
    "formula_system_days": (READ, WRITE),
    "formula_jobs": (READ, WRITE),
    "formula_job_log": (READ, WRITE),
    "formula_job_needs": (READ, WRITE),
    "formula_queues": (READ, WRITE),
    "formula_schedules": (READ, WRITE),
}
# Both append, and what draws positions and stamps sets them too.
SEQUENCES = ("formula_events_notification_id_seq", "formula_events_clock")
MAINTAIN = 170_000  # the version of Postgres from which on a table's statistics can be another's

MISSING = """
SELECT wanted FROM unnest(%s::text[]) wanted
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted)
"""
NOT_MEMBERS = """
SELECT wanted FROM unnest(%s::text[]) wanted WHERE NOT pg_has_role(wanted, 'formula_analyst', 'SET')
"""
# Read models and views that were made under another role, or before there were roles.
STRANGERS = """
SELECT c.relkind = 'v', n.nspname, c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v') AND c.relowner <> 'formula_projector'::regrole
    AND (n.nspname = 'analytics' OR n.nspname IN (SELECT schema FROM formula_generations)
        OR n.nspname = 'public' AND c.relname ~ %s)
"""
FOREIGN_FUNCTIONS = """
SELECT p.oid::regprocedure::text FROM pg_proc p
WHERE p.pronamespace = 'analytics'::regnamespace AND p.proowner <> 'formula_projector'::regrole
"""
OWNERS = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
    AND relkind IN ('r', 'p', 'v') AND relowner <> 'formula_projector'::regrole
"""
SCHEMAS = "SELECT schema FROM formula_generations JOIN pg_namespace ON nspname = schema"

log = structlog.get_logger()
Session = psycopg.Connection[Any]


def grant(db: Session) -> bool:
    """Let the roles do what they may, and nothing else; may be done again at any time.

    False where whoever migrates may make no roles: then every process has to be the owner.
    """
    try:
        with db.transaction():
            _make_roles(db)
            for statement in _statements(db):
                db.execute(statement)
    except InsufficientPrivilege as error:
        log.warning(
            "roles_not_made",
            why=str(error).strip(),
            help="as a superuser: CREATE ROLE formula_app; CREATE ROLE formula_projector;"
            " CREATE ROLE formula_analyst; GRANT them to the owner; then `formula migrate`",
        )
        return False
    return True


def let_in(conninfo: str, role: str, password: str) -> None:
    """Give a role its log-in."""
    with psycopg.connect(conninfo, autocommit=True, connect_timeout=10) as db:
        db.execute(
            sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(role), sql.Literal(password)
            )
        )


def _make_roles(db: Session) -> None:
    """Roles are of the whole server: another database's migration may be making them too."""
    missing = [name for (name,) in db.execute(MISSING, ([APP, PROJECTOR, ANALYST],))]
    for role in missing:
        with suppress(DuplicateObject, UniqueViolation), db.transaction():
            db.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    for (role,) in db.execute(NOT_MEMBERS, ([APP, PROJECTOR],)).fetchall():
        db.execute(sql.SQL("GRANT formula_analyst TO {}").format(sql.Identifier(role)))


def _statements(db: Session) -> Iterator[sql.Composed]:
    database, owner = _row(db, "SELECT current_database(), current_user")
    app, projector = sql.Identifier(APP), sql.Identifier(PROJECTOR)
    yield sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(sql.Identifier(database), projector)
    yield sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(projector)
    yield sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(app)
    yield sql.SQL("ALTER SCHEMA analytics OWNER TO {}").format(projector)
    yield from _owned(db)
    yield from _tables(db)
    for maker in (owner, PROJECTOR):  # of what is made later
        ahead = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} ").format(sql.Identifier(maker))
        yield ahead + sql.SQL("GRANT USAGE ON SCHEMAS TO {}").format(app)
    later = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} GRANT SELECT ON TABLES TO {}")
    yield later.format(projector, app)


def _tables(db: Session) -> Iterator[sql.Composed]:
    yield sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(sql.Identifier(APP))
    for (name,) in db.execute(OWNERS).fetchall():  # a revocation would bind an owner as well
        yield sql.SQL("REVOKE ALL ON {} FROM {}").format(
            sql.Identifier(name), sql.Identifier(PROJECTOR)
        )
    for table, each in TABLES.items():
        for role, may in zip((APP, PROJECTOR), each, strict=True):
            if may not in (NOTHING, OWN):
                yield _grant(may, table, role)
    for sequence in SEQUENCES:
        yield sql.SQL("GRANT USAGE, SELECT, UPDATE ON SEQUENCE {} TO {}, {}").format(
            sql.Identifier(sequence), sql.Identifier(APP), sql.Identifier(PROJECTOR)
        )
    yield sql.SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}").format(
        sql.Identifier(PROJECTOR)
    )
    if db.info.server_version >= MAINTAIN:
        yield sql.SQL("GRANT MAINTAIN ON ALL TABLES IN SCHEMA public TO {}").format(
            sql.Identifier(PROJECTOR)
        )


def _grant(may: str, table: str, role: str) -> sql.Composed:
    return sql.SQL("GRANT {} ON {} TO {}").format(
        sql.SQL(cast(LiteralString, may)), sql.Identifier(table), sql.Identifier(role)
    )


def _owned(db: Session) -> Iterator[sql.Composed]:
    """What projectors make, alter and drop is theirs, and the API reads it."""
    app, projector = sql.Identifier(APP), sql.Identifier(PROJECTOR)
    dropped = "|".join(name for name, (_, may) in TABLES.items() if may == OWN)
    pattern = f"^({dropped})(_[0-9]+)?$"
    for is_view, schema, name in db.execute(STRANGERS, (pattern,)).fetchall():
        kind = sql.SQL("VIEW" if is_view else "TABLE")
        yield sql.SQL("ALTER {} {} OWNER TO {}").format(
            kind, sql.Identifier(schema, name), projector
        )
    for (signature,) in db.execute(FOREIGN_FUNCTIONS).fetchall():
        yield sql.SQL("ALTER FUNCTION {} OWNER TO {}").format(sql.SQL(signature), projector)
    for (schema,) in db.execute(SCHEMAS).fetchall():
        named = sql.Identifier(schema)
        yield sql.SQL("ALTER SCHEMA {} OWNER TO {}").format(named, projector)
        yield sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(named, app)
        yield sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(named, app)


def _row(db: Session, query: LiteralString) -> tuple[Any, ...]:
    row = db.execute(query).fetchone()
    if row is None:
        raise psycopg.DataError("no row")
    return row
