"""Why a command can be refused: codes are public and stable, `<aggregate>.<reason>`."""

from collections.abc import Mapping
from datetime import date

Detail = str | int | bool | None


def _plain(value: object) -> Detail:
    """Times as in every frame and answer: RFC 3339."""
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, str | int | bool | None) else str(value)


class Refused(Exception):
    """A rule of the domain says no. Nothing was changed; `code` and `detail` go to the caller."""

    def __init__(self, code: str, **detail: object) -> None:
        super().__init__(code)
        self.code = code
        self.detail: Mapping[str, Detail] = {key: _plain(value) for key, value in detail.items()}


class NotAllowed(Refused):
    """This actor may not do that."""


class NotFound(Refused):
    """There is no such thing, or none that this actor may know of."""


class Hidden(NotFound):
    """It is there, and this actor may not know of it: told as what is not."""


class WrongState(Refused):
    """It cannot be done now: the aggregate's state forbids it."""


class Invalid(Refused):
    """The values themselves are wrong, whatever the state."""


class Locked(WrongState):
    """Somebody else holds the lock that this needs."""
