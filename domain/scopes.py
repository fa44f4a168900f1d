"""What an API key may be for: actions by name, or all that read, or read and write."""

from collections.abc import Iterable, Mapping

from domain.access import Action
from domain.errors import Invalid

READ, WRITE = "read", "write"

# What lets somebody in is for people who have signed in: a key makes no key, nor a password.
NEVER = frozenset({Action.USER_SESSIONS, Action.USER_API_KEYS, Action.USER_SET_PASSWORD})
READING = frozenset(
    action
    for action in Action
    if action.value.endswith((".read", ".list", ".list_all", ".query"))
    or action in {Action.ROOM_JOIN, Action.OPS_JOIN, Action.PROJECTIONS_EXPLAIN}
)
# People's accounts are not among what `write` may change: whoever needs that names it.
ACCOUNTS = frozenset(action for action in Action if action.value.startswith("user.")) - READING
GROUPS: Mapping[str, frozenset[Action]] = {
    READ: READING,
    WRITE: frozenset(Action) - ACCOUNTS,
}


def actions_of(scopes: Iterable[str]) -> frozenset[Action]:
    """What they allow; a name that this version does not know allows nothing."""
    named = {action for scope in scopes for action in GROUPS.get(scope, _named(scope))}
    return frozenset(named) - NEVER


def check(scopes: Iterable[str]) -> None:
    """Raises Invalid for a scope that allows nothing."""
    for scope in scopes:
        if not actions_of([scope]):
            raise Invalid("api_key.bad_scope", scope=scope[:60])


def _named(scope: str) -> frozenset[Action]:
    return frozenset(action for action in Action if action.value == scope)
