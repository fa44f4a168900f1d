"""The second line of defence: what looks like a secret does not get into a log line.

The first is that no code logs one; tests/integration/test_secrets.py watches that.
"""

import re
from collections.abc import Iterable
from typing import cast
from urllib.parse import unquote, urlsplit

from structlog.typing import EventDict, Processor, WrappedLogger

from infra.settings import Settings, secrets

MASK = "********"
SHORTEST = 6  # characters of a secret that is looked for by its text: a shorter one is in words

# Names of values, and of parameters in a text, whatever they hold.
NAMES = "password|passwd|secret|token|authorization|cookie|signature|credential|api_?key"
_NAMED = re.compile(rf"(?:^|[_.-])(?:{NAMES})s?(?:$|[_.-])", re.IGNORECASE)
_SHAPES = (
    r"\beyJ[\w-]+\.[\w-]+\.[\w-]+",  # a JWT
    r"(?<=\bBearer )[\w.~+/=-]+",
    r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)",  # user:password@
    rf"(?<=[?&])(?i:[\w-]*(?:{NAMES}))=[^&\s\"']+",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----",
)


def redacting(settings: Settings) -> Processor:
    """A processor that masks the settings' secrets, and whatever is named or looks like one."""
    known = (re.escape(one) for one in _known(settings))
    pattern = re.compile("|".join([*known, *_SHAPES]), re.DOTALL)

    def clean(value: object) -> object:
        match value:
            case str():
                return pattern.sub(MASK, value)
            case bytes():
                return pattern.sub(MASK, value.decode(errors="replace"))
            case bool() | int() | float() | None:
                return value
            case dict():
                return named(cast("dict[object, object]", value))
            case list() | tuple():
                return [clean(one) for one in cast("Iterable[object]", value)]
            case _:
                text = str(value)
                cleaned = pattern.sub(MASK, text)
                return value if cleaned == text else cleaned

    def named(values: dict[object, object]) -> dict[object, object]:
        return {
            name: MASK if _NAMED.search(str(name)) and isinstance(one, str) else clean(one)
            for name, one in values.items()
        }

    def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return cast(EventDict, named(cast("dict[object, object]", event)))

    return redact


def _known(settings: Settings) -> list[str]:
    """The longest first: one may be a part of another."""
    found = {part for text in secrets(settings) for part in _parts(text) if len(part) >= SHORTEST}
    return sorted(found, key=len, reverse=True)


def _parts(text: str) -> list[str]:
    """Of an address its password, as it is written and as it is meant; of a list its members."""
    if "://" in text:
        password = urlsplit(text).password or ""
        return [password, unquote(password)]
    if found := re.search(r"\bpassword=('[^']*'|\S+)", text):
        return [found.group(1).strip("'")]
    members = text.split(",")
    return [*members, *(member.partition("=")[2] for member in members)]
