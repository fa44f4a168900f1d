"""/: the console (api/console), a page whose modules need no build step, and what it imports."""

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.params import FromPath
from litestar.status_codes import HTTP_503_SERVICE_UNAVAILABLE

from api.auth import Open
from api.browser import CLIENT
from api.modules import ASKED_AGAIN, Module, module, read_module, sent
from api.pages import page
from domain.errors import NotFound

FOLDER = Path(__file__).parent / "console"
MODULES = "node_modules"  # of npm, pinned by package-lock.json
LIBRARIES: Mapping[str, str] = {
    "preact.js": "preact/dist/preact.module.js",
    "hooks.js": "preact/hooks/dist/hooks.module.js",
    "htm.js": "htm/dist/htm.module.js",
    "uplot.js": "uplot/dist/uPlot.esm.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
}
# Browsers find nothing by a bare name, and an import map would be an inline script.
BARE = (b'"preact"', b'"./preact.js"')
ENTRY = "app.js"  # pages import more, later: that is no matter of the first paint
IMPORTED = re.compile(rb'(?:from|^import) ?"(\.[^"]+)"', re.MULTILINE)

FOR_EVER = "public, max-age=31536000, immutable"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'; require-trusted-types-for 'script'",
    "Cross-Origin-Opener-Policy": "same-origin",
}
MISSING = (
    "<p>The libraries of the console are not installed. Run</p><pre>make console</pre>"
    "<p>and start Formula again. All else works: REST is described at"
    ' <a href="/schema/openapi.json">/schema/openapi.json</a>.</p>'
)


class Console(msgspec.Struct, frozen=True):
    """`version`: of all files together. It is in their address, so they are kept for ever."""

    version: str
    page: Module
    files: Mapping[str, Module]


def read_console(folder: Path) -> Console | None:
    """What is there now; None while the libraries are not installed."""
    if not all((folder / MODULES / path).is_file() for path in LIBRARIES.values()):
        return None
    files = {f"client/{name}": one for name, one in CLIENT.items() if name.endswith(".js")}
    files |= {f"vendor/{name}": one for name, one in _libraries(folder / MODULES)}
    files |= {name: read_module(path) for name, path in _own(folder)}
    version = sha256("".join(f"{name}{files[name].etag}" for name in sorted(files)).encode())
    base = f"/console/{version.hexdigest()[:16]}"
    content = (folder / "index.html").read_text().replace("{base}", base)
    links = (f'<link rel="modulepreload" href="{base}/{name}">' for name in needed(files))
    content = content.replace("{preloads}", "\n".join(links))
    return Console(base.rpartition("/")[2], module(content.encode(), ".html"), files)


def needed(files: Mapping[str, Module]) -> list[str]:
    """The modules that the first page runs, each once.

    They are asked for in one round: by itself a browser finds an import in what imports it.
    """
    found = [ENTRY]
    for name in found:  # which grows meanwhile
        paths = (one.decode() for one in IMPORTED.findall(files[name].content))
        names = (normpath(join(dirname(name), path)) for path in paths)
        found += (one for one in dict.fromkeys(names) if one not in found)
    return found


def _libraries(folder: Path) -> Iterator[tuple[str, Module]]:
    for name, path in LIBRARIES.items():
        yield name, module((folder / path).read_bytes().replace(*BARE), Path(name).suffix)


def _own(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix in (".js", ".css", ".svg") and not name.startswith(f"{MODULES}/"):
            yield name, path


# It comes with the code, so it changes with the process.
_CONSOLE = read_console(FOLDER)


@get("/", opt={"action": Open.PUBLIC}, include_in_schema=False, media_type=MediaType.HTML)
async def console_page(request: Request[Any, Any, Any]) -> Response[Any]:
    if _CONSOLE is None:
        return missing()
    return sent(request, _CONSOLE.page, **HEADERS)


def missing() -> Response[str]:
    answer = page("Formula", MISSING)
    answer.status_code = HTTP_503_SERVICE_UNAVAILABLE
    return answer


@get("/console/{version:str}/{name:path}", opt={"action": Open.PUBLIC}, include_in_schema=False)
async def console_file(
    version: FromPath[str], name: FromPath[str], request: Request[Any, Any, Any]
) -> Response[bytes]:
    """A page of another version, from before a deploy, goes on with the files of this one."""
    found = _CONSOLE.files.get(str(name).lstrip("/")) if _CONSOLE else None
    if _CONSOLE is None or found is None:
        raise NotFound("module.not_found", name=str(name))
    return sent(request, found, FOR_EVER if version == _CONSOLE.version else ASKED_AGAIN)
