"""Where the browser's client runs: a page of a real Chromium, or node. Both evaluate JavaScript."""

from typing import Any, Protocol

import msgspec

WAIT_S = 60.0

Json = Any  # whatever a script returns


class ScriptFailed(Exception):
    """The script threw; its text is what it threw."""


class Page(Protocol):
    async def run(self, script: str) -> Json:
        """The value that the body of an async function returns. Raises ScriptFailed."""
        ...


async def call(page: Page, script: str, **given: object) -> Json:
    """The same, with values as constants."""
    names = "".join(
        f"const {name} = {msgspec.json.encode(value).decode()};" for name, value in given.items()
    )
    return await page.run(names + script)


async def wait_for(page: Page, condition: str, **given: object) -> Json:
    """Until the expression, which is evaluated again and again, is true; its value."""
    limit = int(WAIT_S * 1_000)
    return await call(
        page,
        f"""
        const late = Date.now() + {limit};
        for (;;) {{
            const value = {condition};
            if (value) return value;
            if (Date.now() > late) throw new Error({condition!r} + " stayed false");
            await new Promise((resolve) => setTimeout(resolve, 5));
        }}
        """,
        **given,
    )
