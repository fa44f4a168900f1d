"""What an upload is, by its first bytes; its name may only agree."""

import re

from infra.inspecting.kinds import ALLOWED, SVG, TEXT, Group, Kind, Signature
from infra.inspecting.model import Code, refuse, require
from infra.inspecting.names import extension, proper
from infra.inspecting.signatures import executable
from infra.inspecting.texts import is_text, starts_as_page

HEAD = 8_192  # bytes that `recognise` looks at
BINARIES = tuple(kind for kind in ALLOWED if kind.signatures)
TEXTS = tuple(kind for kind in ALLOWED if kind.group is Group.TEXT)
# Comments and a DOCTYPE may come first: what is in them is looked at with the whole file.
# Atomic, as texts.PAGE is.
SVG_START = re.compile(
    rb"(\xef\xbb\xbf)?\s*+"
    rb"(?>(?>(<!--.*?-->|<!DOCTYPE\s[^>\[]*+(\[.*?\]\s*+)?>|<\?[^>]*+>)\s*+)*)<(\w+:)?svg[\s>/]",
    re.DOTALL,
)


def recognise(head: bytes, name: str) -> Kind:
    """`head`: the first HEAD bytes, or all. Raises Invalid, and nothing else for any bytes."""
    wanted = extension(proper(name))
    head = head[:HEAD]
    require(bool(head), Code.EMPTY, "no bytes")
    program = executable(head)
    require(program is None, Code.EXECUTABLE, program or "")
    found = [kind for kind in BINARIES if _matches(kind, head)] or _texts(head)
    if not wanted:
        return found[0]
    agreeing = [kind for kind in found if wanted in kind.extensions]
    if not agreeing:
        known = any(wanted in kind.extensions for kind in ALLOWED)
        refuse(Code.DIFFERS if known or found[0].signatures else Code.TYPE, f"no .{wanted}")
    return agreeing[0]


def _matches(kind: Kind, head: bytes) -> bool:
    return any(_is_there(signature, head) for signature in kind.signatures)


def _is_there(signature: Signature, head: bytes) -> bool:
    return all(head.startswith(part, offset) for offset, part in signature)


def _texts(head: bytes) -> list[Kind]:
    require(is_text(head), Code.TYPE, "not on the list")
    if SVG_START.match(head):
        return [SVG]
    require(not starts_as_page(head), Code.TYPE, "a page")
    return [TEXT, *(kind for kind in TEXTS if kind is not TEXT)]
