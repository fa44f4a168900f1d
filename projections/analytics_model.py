"""A view or function for analysts, as the catalog names it."""

import msgspec


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A view over projections; `{name}` in its query is the schema of one that serves.

    `filtered`: it has a column `project`, and shows a person's own projects to those who do not
    see all.
    """

    name: str
    about: str
    columns: dict[str, str]
    query: str
    reads: tuple[str, ...] = ()
    filtered: bool = True

    @property
    def over(self) -> tuple[str, ...]:
        return (*self.reads, "projects") if self.filtered else self.reads


class Function(msgspec.Struct, frozen=True):
    """The rows of a history as they were at a time."""

    name: str
    about: str
    over: str
    returns: dict[str, str]
