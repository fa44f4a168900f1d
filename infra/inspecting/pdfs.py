"""PDF: nothing that runs, starts a program, or carries another file; in object streams as well.

Objects are looked for, not followed: a reader that mends broken files would find the same ones.
"""

import re
from collections.abc import Iterator

from infra.inspecting.bounded import ZLIB, inflated
from infra.inspecting.model import Code, Content, require, within, words
from infra.inspecting.openings import NAME, STARTS, Objects, check_openings, name_of

MOST_STREAM = 256 << 20  # bytes, inflated: a page at 600 dpi in colour has 140 MiB
MOST_OBJECTS = 64 << 20  # bytes of all object streams, inflated: 100,000 pages have a tenth
MOST_STREAMS = 200_000  # a page has a handful
MOST_DICTIONARY = 64 << 10  # bytes in front of a stream
RATIO = 1_032  # the most that deflate does: shorter streams cannot be too long
END_WITHIN = 1_024  # bytes from the end, where readers look for %%EOF
STREAM = re.compile(rb"(?<=[\s\x00>])stream(?=[\s\x00%()<>\[\]{}/])")
LINE_END = re.compile(rb"\r\n|\n|\r")
# In what readers skip there is no object. If there is, somebody reads the file in another way.
HIDDEN = re.compile(rb"\d(?:[\s\x00]|%[^\r\n]*+[\r\n])++obj(?=[\s\x00%()<>\[\]{}/])|\btrailer\s*<<")
OBJECT = re.compile(rb"\d[\s\x00]+\d+[\s\x00]+obj[\s\x00]*<<")
ESCAPED = re.compile(rb"\\.", re.DOTALL)
STRING_PART = re.compile(rb"\((?:\\.|[^()\\])*\)", re.DOTALL)
ENDS = re.compile(rb">>[\s\x00]*stream\s*\Z")
END = re.compile(rb"%%EOF[\s\x00]*\Z")
FIRST = re.compile(rb"/First[\s\x00]+(\d{1,8}+)(?![\s\x00]+\d)")
ACTIVE = words(
    "JavaScript JS Launch EmbeddedFile EmbeddedFiles RichMedia XFA GoToE GoToR SubmitForm "
    "ImportData Movie Sound Rendition"
)
DEFLATED = words("FlateDecode Fl")
FILTERS = words(
    "ASCIIHexDecode AHx ASCII85Decode A85 LZWDecode LZW RunLengthDecode RL Crypt Predictor F "
    "FFilter"
)
SCRIPT_LINK = re.compile(rb"/URI[\s\x00]*\(\s*(?:java|vb)script\s*:", re.IGNORECASE)


def check_pdf(content: Content) -> None:
    """Raises Invalid."""
    require(END.search(content[-END_WITHIN:]) is not None, Code.POLYGLOT, "bytes behind the end")
    size, at, starts = 0, 0, False
    between: list[slice] = []
    objects: list[Objects] = []
    for number, (start, end) in enumerate(_streams(content)):
        within(number, MOST_STREAMS, Code.BOMB, "streams")
        between.append(slice(at, start))
        starts |= _check_names(content[at:start])
        if found := _check_stream(content, at, start, end):
            objects.append(found)
            size += len(found.text)
            within(size, MOST_OBJECTS, Code.BOMB, "bytes of objects")
            starts |= _check_names(found.text)
        at = end
    between.append(slice(at, None))
    if _check_names(content[at:]) or starts:
        check_openings([*(Objects(content[part]) for part in between), *objects])


def _streams(content: Content) -> Iterator[tuple[int, int]]:
    """Where their bytes begin and end. One that goes on behind a first "endstream" ends too soon
    for us: then more is looked at, not less."""
    at = after = 0
    while found := STREAM.search(content, at):
        line_end = LINE_END.match(content, found.end())
        if line_end is None:  # readers skip what is there, if it is not just a word in a title
            inside = _in_string(content, after, found.end())
            require(inside, Code.UNINSPECTABLE, "a stream that begins in an unusual way")
            at = found.end()
            continue
        end = content.find(b"endstream", line_end.end())
        require(end >= 0, Code.DAMAGED, "a stream without an end")
        yield line_end.end(), end
        at = after = end + len(b"endstream")


def _in_string(content: Content, after: int, at: int) -> bool:
    part = content[max(after, at - MOST_DICTIONARY) : at]
    heads = list(OBJECT.finditer(part))
    depth = 0
    for one in re.findall(rb"[()]", ESCAPED.sub(b"", part[heads[-1].start() :] if heads else b"")):
        depth = max(0, depth + (1 if one == b"(" else -1))
    return depth > 0


def _check_names(part: bytes) -> bool:
    """Whether something in it may start by itself."""
    starts = False
    require(SCRIPT_LINK.search(part) is None, Code.ACTIVE, "a link that runs")
    for name in _names(part):
        require(name != "Encrypt", Code.ENCRYPTED, "a password, perhaps an empty one")
        require(name not in ACTIVE, Code.ACTIVE, name[:50])
        starts = starts or name in STARTS
    return starts


def _names(part: bytes) -> Iterator[str]:
    return map(name_of, NAME.finditer(part))


def _check_stream(content: Content, after: int, start: int, end: int) -> Objects | None:
    """The objects that are in it."""
    require(HIDDEN.search(content, start, end) is None, Code.POLYGLOT, "objects in a stream")
    dictionary = _dictionary(content, after, start)
    names = set(_names(dictionary))
    holds = "ObjStm" in names or {"N", "First"} <= names
    deflated = not names.isdisjoint(DEFLATED)
    if holds:
        require(names.isdisjoint(FILTERS), Code.UNINSPECTABLE, "objects in an unusual filter")
        [first, *others] = set(FIRST.findall(dictionary)) or {b""}
        require(bool(first) and not others, Code.UNINSPECTABLE, "objects that begin anywhere")
        return Objects(_objects(content, start, end, deflated=deflated), int(first))
    if deflated and (end - start) * RATIO > MOST_STREAM:
        for _ in inflated(content, start, end, MOST_STREAM, ZLIB):
            pass
    return None


def _dictionary(content: Content, after: int, start: int) -> bytes:
    """Of the stream that begins at `start`. It is what every reader must take it for: "stream" in
    a string or a comment would be none, and hide what comes next."""
    part = content[max(after, start - MOST_DICTIONARY) : start]
    heads = list(OBJECT.finditer(part))
    require(bool(heads), Code.UNINSPECTABLE, "a stream of no object")
    at = heads[-1].start()
    line = part[max(part.rfind(b"\n", 0, at), part.rfind(b"\r", 0, at)) + 1 : at]
    plain, depth = STRING_PART.sub(b"", part[at:]), 0
    for one in re.findall(rb"[()]", ESCAPED.sub(b"", part[at:])):
        depth += 1 if one == b"(" else -1
        require(depth >= 0, Code.UNINSPECTABLE, "an object in a string")
    require(depth == 0, Code.UNINSPECTABLE, "a stream in a string")
    require(b"%" not in line + plain, Code.UNINSPECTABLE, "a stream in a comment")
    whole = plain.count(b"<<") == plain.count(b">>") and ENDS.search(plain) is not None
    require(whole, Code.UNINSPECTABLE, "a stream in an object")
    return part[at:]


def _objects(content: Content, start: int, end: int, *, deflated: bool) -> bytes:
    if content[start] & 0x0F == 8:  # zlib's
        return b"".join(inflated(content, start, end, MOST_OBJECTS, ZLIB))
    require(not deflated, Code.UNINSPECTABLE, "objects in an unusual filter")
    return content[start:end]
