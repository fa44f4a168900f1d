"""SVG: drawings only. What is not on the lists is refused; nothing is taken out."""

import re
from collections.abc import Mapping
from xml.parsers import expat

from infra.inspecting.model import Code, Content, refuse, require, within, words

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
XML = "http://www.w3.org/XML/1998/namespace"
MOST_BYTES = 10 << 20  # larger drawings are photographs in disguise
MOST_ELEMENTS = 200_000
MOST_DEPTH = 256  # browsers and libraries recurse
MOST_DRAWN = 100_000  # elements with all that refer to others: `use` in `use` grows by powers
ELEMENTS = words(
    "svg g defs symbol use path rect circle ellipse line polyline polygon text tspan textPath tref "
    "title desc metadata style image a switch view marker pattern clipPath mask linearGradient "
    "radialGradient stop filter feBlend feColorMatrix feComponentTransfer feComposite "
    "feConvolveMatrix feDiffuseLighting feDisplacementMap feDistantLight feDropShadow feFlood "
    "feFuncA feFuncB feFuncG feFuncR feGaussianBlur feImage feMerge feMergeNode feMorphology "
    "feOffset fePointLight feSpecularLighting feSpotLight feTile feTurbulence animate "
    "animateTransform animateMotion mpath set"
)
# What drawing programs keep for themselves: no browser does anything with it.
KEPT = frozenset(
    (
        "http://www.inkscape.org/namespaces/inkscape",
        "http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd",
        "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "http://creativecommons.org/ns#",
        "http://web.resource.org/cc/",
        "http://purl.org/dc/elements/1.1/",
        "http://purl.org/dc/terms/",
        "http://www.bohemiancoding.com/sketch/ns",
        "http://www.figma.com/figma/ns",
        "http://www.serif.com/",
        "https://boxy-svg.com",
    )
)
# The one that old programs write: it names a DTD that nobody reads.
DOCTYPE = re.compile(r"https?://www\.w3\.org/(TR|Graphics)/[\w./-]+\.dtd")
EMBEDDED = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*", re.ASCII)
FONT = re.compile(r"data:(font/\w+|application/(x-)?font-\w+)[;,]")
FRAGMENT = re.compile(r"#[^\s\"'()]+")
URL = re.compile(r"url\s*\(\s*[\"']?\s*([^\"')]*)", re.IGNORECASE)
SCRIPTED = re.compile(r"(java|vb|live)\s*script\s*:|expression\s*\(", re.IGNORECASE)
# Ways of CSS to fetch without url(); "\" would hide all of them.
CSS_TRICKS = re.compile(
    r"\\|@import|@charset|image-set\s*\(|image\s*\(|src\s*\(|-moz-binding|behavior\s*:",
    re.IGNORECASE,
)
HANDLER = re.compile(r"on[a-z]", re.IGNORECASE)


def check_svg(content: Content) -> None:
    """Raises Invalid."""
    within(len(content), MOST_BYTES, Code.BOMB, "bytes of a drawing")
    data = content[:]
    try:
        data.decode("utf-8")
        _Reader().read(data)
    except (UnicodeDecodeError, expat.ExpatError) as error:
        refuse(Code.DAMAGED, str(error))


class _Reader:
    """Expat's events; nothing is built."""

    def __init__(self) -> None:
        self._open: list[tuple[str, str]] = []  # namespace and name of each around
        self._ids: list[str] = []
        self._elements = 0
        self._css = ""
        self._uses: dict[str, list[str]] = {"": []}  # what each id refers to; "": all

    def read(self, data: bytes) -> None:
        parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text = True
        parser.namespace_prefixes = True
        parser.XmlDeclHandler = self._declared
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        parser.SkippedEntityHandler = self._entity
        parser.ProcessingInstructionHandler = self._instruction
        parser.CommentHandler = self._comment
        parser.StartCdataSectionHandler = self._cdata
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.Parse(data, True)
        _check_drawn(self._uses)

    def _declared(self, _: str, encoding: str | None, __: int) -> None:
        utf8 = encoding is None or encoding.lower() in ("utf-8", "utf8", "us-ascii", "ascii")
        require(utf8, Code.DAMAGED, "another encoding")

    def _doctype(self, name: str, system: str | None, _: str | None, internal: int) -> None:
        plain = name == "svg" and not internal and bool(DOCTYPE.fullmatch(system or ""))
        require(plain, Code.ACTIVE, "a DTD")

    def _entity(self, *_: object) -> None:
        refuse(Code.ACTIVE, "an entity")

    def _instruction(self, *_: object) -> None:
        refuse(Code.ACTIVE, "a processing instruction")

    # The next two are harmless here, and another thing to a page that has the drawing within it.

    def _comment(self, text: str) -> None:
        require(not text.startswith((">", "->")), Code.POLYGLOT, "a comment that HTML ends sooner")

    def _cdata(self) -> None:
        require(self._in_style(), Code.POLYGLOT, "CDATA that HTML does not know")

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        namespace, name, prefix = (*tag.split(" "), "", "")[:3] if " " in tag else ("", tag, "")
        self._elements += 1
        within(self._elements, MOST_ELEMENTS, Code.BOMB, "elements")
        within(len(self._open), MOST_DEPTH, Code.BOMB, "elements in elements")
        require(bool(self._open) or (namespace, name) == (SVG, "svg"), Code.DIFFERS, "not SVG")
        self._open.append((namespace, name))
        inert = namespace in KEPT and bool(prefix)  # without one a page would take it for its own
        drawing = namespace == SVG and name in ELEMENTS
        require(inert or drawing, Code.ACTIVE, f"<{name[:50]}>")
        self._ids.append(attributes.get("id", ""))
        for key, value in attributes.items():
            self._attribute(key, value)

    def _attribute(self, key: str, value: str) -> None:
        namespace, name = key.split(" ")[:2] if " " in key else ("", key)
        require(not HANDLER.match(name), Code.ACTIVE, name[:50])
        if namespace in KEPT:
            return
        require(namespace in ("", XLINK, XML), Code.ACTIVE, f"an attribute of {namespace[:50]}")
        require((namespace, name) != (XML, "base"), Code.EXTERNAL, "xml:base")
        # Whatever is animated could become a link or a handler.
        if name.lower() == "attributename":
            target = value.strip().rpartition(":")[2].lower()
            require(target not in ("href", "style") and not HANDLER.match(target), Code.ACTIVE, key)
        elif name.lower() in ("href", "src", "ping"):
            self._reference(value.strip())
            return
        elif name.lower() == "style":
            require(not CSS_TRICKS.search(value), Code.EXTERNAL, "a style that fetches")
        require(not SCRIPTED.search(value), Code.ACTIVE, name[:50])
        self._urls(value)

    def _reference(self, value: str) -> None:
        if FRAGMENT.fullmatch(value):
            self._refer(value[1:])
            return
        if EMBEDDED.fullmatch(value) or not value:
            return
        refuse(Code.ACTIVE if SCRIPTED.match(value) else Code.EXTERNAL, "a reference")

    def _urls(self, value: str) -> None:
        for found in URL.finditer(value):
            target = found[1].strip()
            if FRAGMENT.fullmatch(target):
                self._refer(target[1:])
            else:
                safe = EMBEDDED.fullmatch(target) or FONT.match(target)
                require(bool(safe), Code.EXTERNAL, "url()")

    def _refer(self, target: str) -> None:
        for identity in {"", *self._ids}:
            self._uses.setdefault(identity, []).append(target)

    def _text(self, text: str) -> None:
        if self._in_style():
            require("<" not in text, Code.POLYGLOT, "a tag in a style")
            self._css += text

    def _in_style(self) -> bool:
        return bool(self._open) and self._open[-1] == (SVG, "style")

    def _end(self, _: str) -> None:
        self._ids.pop()
        if self._open.pop() == (SVG, "style"):
            require(not CSS_TRICKS.search(self._css), Code.EXTERNAL, "a style that fetches")
            require(not SCRIPTED.search(self._css), Code.ACTIVE, "a style that runs")
            self._urls(self._css)
            self._css = ""


def _check_drawn(uses: Mapping[str, list[str]]) -> None:
    """How much is drawn when every reference is followed; none may lead back to itself."""
    drawn: dict[str, int] = {}
    around: set[str] = set()
    left = [""]
    while left:
        one = left[-1]
        targets = uses.get(one, [])
        missing = [] if one in around else [target for target in targets if target not in drawn]
        require(not around.intersection(missing), Code.BOMB, "references in a circle")
        if missing:
            around.add(one)
            left.extend(dict.fromkeys(missing))
            continue
        left.pop()
        around.discard(one)
        drawn[one] = 1 + sum(drawn.get(target, 1) for target in targets)
        within(drawn[one], MOST_DRAWN, Code.BOMB, "references followed")
