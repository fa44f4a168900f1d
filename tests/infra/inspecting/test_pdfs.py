"""Documents that do nothing: names are looked for wherever a reader would find them."""

import io
import zlib

import pytest
from pypdf import PdfWriter

from infra.inspecting import pdfs
from infra.inspecting.model import Code
from tests.infra.inspecting.conftest import Look
from tests.infra.inspecting.samples import archive, object_stream, pdf, plain_pdf

SCRIPT = b"<</S/JavaScript/JS(app.alert\\(1\\))>>"
INNER = b"1 0 " + SCRIPT
HIDES: dict[str, tuple[bytes, Code]] = {
    "plain": (plain_pdf(b"<</OpenAction " + SCRIPT + b">>"), Code.ACTIVE),
    "escaped": (plain_pdf(b"<</S/J#61vaScr#69pt>>"), Code.ACTIVE),
    "short": (plain_pdf(b"<</J#53(x)>>"), Code.ACTIVE),
    "launch": (plain_pdf(b"<</S/Launch/F(calc.exe)>>"), Code.ACTIVE),
    "form": (plain_pdf(b"<</S/SubmitForm/F(http://x.example)>>"), Code.ACTIVE),
    "other file": (plain_pdf(b"<</S/GoToR/F(\\\\\\\\x.example\\\\a)>>"), Code.ACTIVE),
    "link": (plain_pdf(b"<</S/URI/URI( JavaScript:alert\\(1\\))>>"), Code.ACTIVE),
    "xfa": (plain_pdf(b"<</AcroForm<</XFA 2 0 R>>>>"), Code.ACTIVE),
    "object stream": (plain_pdf(object_stream(INNER)), Code.ACTIVE),
    "escaped object stream": (
        plain_pdf(object_stream(INNER, about=b"/Type/Obj#53tm")),
        Code.ACTIVE,
    ),
    "untyped object stream": (plain_pdf(object_stream(INNER, about=b"")), Code.ACTIVE),
    "indirect filter": (
        plain_pdf(object_stream(INNER).replace(b"/FlateDecode", b" 9 0 R"), b"/FlateDecode"),
        Code.ACTIVE,
    ),
    "object stream as it is": (
        plain_pdf(b"<</Type/ObjStm/N 1/First 4>>stream\n" + INNER + b"\nendstream"),
        Code.ACTIVE,
    ),
    "other filter": (
        plain_pdf(b"<</Type/ObjStm/N 1/First 4/Filter/AHx>>stream\n31>\nendstream"),
        Code.UNINSPECTABLE,
    ),
    "predictor": (
        plain_pdf(object_stream(INNER, b"/DecodeParms<</Predictor 12>>")),
        Code.UNINSPECTABLE,
    ),
    "a head in a string": (
        plain_pdf(object_stream(INNER, b"/X(1 0 obj<<)")),
        Code.UNINSPECTABLE,
    ),
    "a head in a comment": (
        plain_pdf(object_stream(INNER, b"\n%1 0 obj<<\n")),
        Code.UNINSPECTABLE,
    ),
    "in a string": (
        plain_pdf(b"<</X(>>stream\n)/S/JavaScript/JS(x)/Y(endstream)>>"),
        Code.UNINSPECTABLE,
    ),
    "in a comment": (
        plain_pdf(b"<</X 1 %>>stream\n/S/JavaScript/JS(x)\n%endstream\n>>"),
        Code.UNINSPECTABLE,
    ),
    "in an array": (
        plain_pdf(b"[<<>>stream\n<</S/JavaScript>>endstream]"),
        Code.UNINSPECTABLE,
    ),
    "stream without a line feed": (
        plain_pdf(object_stream(INNER).replace(b"stream\n", b"stream\r", 1)),
        Code.ACTIVE,
    ),
    "stream and more": (
        plain_pdf(object_stream(INNER).replace(b"stream\n", b"stream x\n", 1)),
        Code.UNINSPECTABLE,
    ),
    "stream and a comment": (
        plain_pdf(object_stream(INNER).replace(b"stream\n", b"stream%(\n", 1)),
        Code.UNINSPECTABLE,
    ),
    "a comment and a stream": (
        plain_pdf(object_stream(INNER).replace(b">>\nstream", b">>%x\nstream", 1)),
        Code.UNINSPECTABLE,
    ),
    "zeros for spaces": (
        plain_pdf(object_stream(INNER).replace(b">>\nstream", b">>\0stream", 1)),
        Code.ACTIVE,
    ),
    "not zlib's": (
        plain_pdf(object_stream(INNER).replace(b"stream\n", b"stream\n\n", 1)),
        Code.UNINSPECTABLE,
    ),
    "in a stream behind comments": (
        plain_pdf(b"<</Length 4>>stream\nxxxx\n2 0%x\nobj" + SCRIPT + b"endobj\nendstream"),
        Code.POLYGLOT,
    ),
    "in a stream": (
        plain_pdf(b"<</Length 4>>stream\nxxxx\n2 0 obj" + SCRIPT + b"endobj\nendstream"),
        Code.POLYGLOT,
    ),
    "encrypted": (plain_pdf(b"<<>>").replace(b"<</Root", b"<</Encrypt 9 0 R/Root"), Code.ENCRYPTED),
    "zip behind": (pdf() + archive({"a": b"a"}), Code.POLYGLOT),
    "zip inside": (
        plain_pdf(b"<<>>", b"<<>>stream\n" + archive({"a": b"a"}) + b"\nendstream"),
        Code.POLYGLOT,
    ),
    "page in front": (b"%PDF-1.4 <script>alert(1)</script>\n" + pdf()[9:], Code.POLYGLOT),
    "text behind": (pdf() + b"<script>alert(1)</script>", Code.POLYGLOT),
    "no end": (pdf()[:-7], Code.POLYGLOT),
    "not at its start": (b"\n" + pdf(), Code.TYPE),
}


ASKS = b"<</S/URI/URI(http://x.example/seen)>>"
OPENS: dict[str, bytes] = {
    "itself": plain_pdf(b"<</OpenAction " + ASKS + b">>"),
    "escaped": plain_pdf(b"<</Open#41ction<</S/URI/UR#49(http://x.example)>>>>"),
    "another object": plain_pdf(b"<</OpenAction 2 0 R>>", ASKS),
    "one that is changed later": plain_pdf(b"<</OpenAction 2 0 R>>", b"[1 0 R/Fit]")
    + b"\n2 0 obj"
    + ASKS
    + b"endobj\n%%EOF",
    "an object in a stream": plain_pdf(object_stream(b"7 0 " + ASKS), b"<</OpenAction 7 0 R>>"),
    "from a stream": plain_pdf(object_stream(b"7 0 <</OpenAction 2 0 R>>"), ASKS),
    "next": plain_pdf(b"<</OpenAction<</S/GoTo/D[1 0 R/Fit]/Next 2 0 R>>>>", ASKS),
    "one of the next": plain_pdf(
        b"<</OpenAction 2 0 R>>",
        b"<</S/Named/N/NextPage/Next[<</S/GoTo/D(a)>>3 0 R]>>",
        ASKS,
    ),
    "the next in an array of its own": plain_pdf(
        b"<</OpenAction<</S/GoTo/D(a)/Next 2 0 R>>>>", b"[<</S/GoTo/D(a)>>3 0 R]", ASKS
    ),
    "a page": plain_pdf(b"<</Type/Page/AA<</O 2 0 R>>>>", ASKS),
    "actions elsewhere": plain_pdf(b"<</Type/Page/AA 2 0 R>>", b"<</C<<>>/O 3 0 R>>", ASKS),
    "behind a comment": plain_pdf(b"<</OpenAction%>>\n2 0 R>>", ASKS),
}


@pytest.mark.parametrize("name", OPENS)
def test_a_document_that_opens_an_address_by_itself_is_refused(name: str, look: Look) -> None:
    assert look(OPENS[name], "a.pdf") == Code.EXTERNAL


@pytest.mark.parametrize("name", HIDES)
def test_a_document_that_does_something_is_refused(name: str, look: Look) -> None:
    data, code = HIDES[name]
    assert look(data, "a.pdf") == code


def test_a_file_in_a_document_is_refused(look: Look) -> None:
    writer, out = PdfWriter(io.BytesIO(pdf())), io.BytesIO()
    writer.add_attachment("a.txt", b"hello")
    writer.write(out)
    assert look(out.getvalue(), "a.pdf") == Code.ACTIVE


READ: dict[str, bytes] = {
    "plain": pdf(),
    "texts": plain_pdf(b"<</Title(a stream of \\( things)/Author(upstream)>>"),
    "object stream": plain_pdf(
        object_stream(b"1 0 <</Type/Catalog>>"), b"<</OpenAction[1 0 R/Fit]>>"
    ),
    "stream": plain_pdf(b"<</Title(a \\) stream)>>", b"<</X(a)>>stream\n/JS\nendstream"),
    "link": plain_pdf(b"<</S/URI/URI(https://x.example)>>") + b"\r\n\0\0",
    # as LaTeX does it
    "opens at a page that has a link": plain_pdf(
        b"<</OpenAction 2 0 R/URI<</Base(https://x.example)>>>>",
        b"<</S/GoTo/D[3 0 R/Fit]>>",
        b"<</Type/Page/Annots[4 0 R]>>",
        b"<</Subtype/Link/A" + ASKS + b">>",
    ),
    "opens at a page that leads to another": plain_pdf(
        b"<</OpenAction 2 0 R>>", b"[3 0 R/Fit]", b"<</AA<</O<</S/GoTo/D[4 0 R]>>>>>>", ASKS
    ),
    "opens itself": plain_pdf(b"<</AA<</O 1 0 R>>/OpenAction 1 0 R>>", ASKS),
}


@pytest.mark.parametrize("name", READ)
def test_a_document_to_read_is_clean(name: str, look: Look) -> None:
    assert look(READ[name], "a.pdf") == "clean"


def test_what_inflates_to_too_much_is_refused(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdfs, "MOST_STREAM", 8 << 20)
    monkeypatch.setattr(pdfs, "MOST_OBJECTS", 1 << 20)

    def page(size: int) -> bytes:
        return plain_pdf(
            b"<</Filter/FlateDecode>>stream\n%s\nendstream" % zlib.compress(bytes(size))
        )

    assert look(page(8 << 20), "a.pdf") == "clean"
    assert look(page((8 << 20) + 1), "a.pdf") == Code.BOMB
    assert look(plain_pdf(object_stream(bytes((1 << 20) + 1))), "a.pdf") == Code.BOMB
    halves = (object_stream(b"1 0 " + bytes(600_000)) for _ in range(2))
    assert look(plain_pdf(*halves), "a.pdf") == Code.BOMB
