"""Documents without macros, and with nothing that is fetched when they are opened."""

import pytest

from infra.inspecting.model import Code
from tests.infra.inspecting.conftest import Look
from tests.infra.inspecting.samples import DOCX_MAIN, archive, docx, odt, relation

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
MACRO_OLE = OLE + "_VBA_PROJECT".encode("utf-16-le")
MACRO_TYPE = DOCX_MAIN.replace("openxmlformats-officedocument.wordprocessingml", "ms-word").replace(
    "document.main", "document.macroEnabled.main"
)
VBA = "<Override PartName='/x.bin' ContentType='application/vnd.ms-office.vba&#80;roject'/>"
ENCRYPTED = b"<manifest><file-entry><encryption-data/></file-entry></manifest>"
BAD = {
    "macros.docx": (docx({"word/vbaProject.bin": OLE}), Code.MACROS),
    "hidden-macros.docx": (docx({"word/x.bin": MACRO_OLE}), Code.MACROS),
    "typed-macros.docx": (docx(more=VBA), Code.MACROS),
    "docm.docx": (docx(main=MACRO_TYPE), Code.MACROS),
    "docm.zip": (docx({"word/vbaProject.bin": OLE}), Code.MACROS),
    "old.zip": (archive({"old.doc": MACRO_OLE}), Code.MACROS),
    "sheets.xlsx": (docx({"xl/macrosheets/sheet1.xml": b"<a/>"}), Code.MACROS),
    "control.docx": (docx({"word/activeX/activeX1.bin": OLE}), Code.MACROS),
    "basic.odt": (odt({"Basic/Standard/Module1.xml": b"<a/>"}), Code.MACROS),
    "python.odt": (odt({"Scripts/python/a.py": b"x"}), Code.MACROS),
    "event.odt": (odt({"x.xml": b"<a href='vnd.sun.star.script:a?language=Basic'/>"}), Code.ACTIVE),
    "package.docx": (
        docx({"word/embeddings/o.bin": OLE + "\x01Ole10Native".encode("utf-16-le")}),
        Code.ACTIVE,
    ),
    "entities.docx": (docx({"word/a.xml": b"<!DOCTYPE a [<!ENTITY x 'y'>]><a/>"}), Code.ACTIVE),
    "utf16.docx": (docx({"word/a.xml": "<a/>".encode("utf-16")}), Code.UNINSPECTABLE),
    "dde.docx": (
        docx({"word/a.xml": b"<w:instrText xml:space='preserve'> DDEAUTO c:\\a.exe"}),
        Code.ACTIVE,
    ),
    "dde.xlsx": (docx({"xl/externalLinks/e.xml": b"<ddeLink ddeService='cmd'/>"}), Code.ACTIVE),
    "shouted.docx": (
        docx({"WORD/_RELS/A.RELS": relation("frame", "x").popitem()[1]}),
        Code.EXTERNAL,
    ),
    "template.docx": (docx(relation("attachedTemplate", "http://x.example/a")), Code.EXTERNAL),
    "object.docx": (docx(relation("oleObject", "mhtml:http://x.example/a!x")), Code.EXTERNAL),
    "scheme.docx": (docx(relation("hyperlink", "ms-msdt:/id")), Code.EXTERNAL),
    "share.docx": (docx(relation("image", "file:////x.example/a.png")), Code.EXTERNAL),
    "locked.odt": (odt({"META-INF/manifest.xml": ENCRYPTED}), Code.ENCRYPTED),
    "script.docx": (docx({"word/a.txt": b"#!/bin/sh"}), Code.EXECUTABLE),
    "two.docx": (docx({"[content_types].xml": b"<Types/>"}), Code.POLYGLOT),
    "plain.docx": (archive({"a.txt": b"x"}), Code.DIFFERS),
    "broken.docx": (archive({"[Content_Types].xml": b"<a>"}), Code.DAMAGED),
}


@pytest.mark.parametrize("name", BAD)
def test_a_document_with_a_trick_is_refused(name: str, look: Look) -> None:
    data, code = BAD[name]
    assert look(data, name) == code


GOOD = {
    "link": docx(relation("hyperlink", "https://x.example/a")),
    "picture": docx(relation("image", "https://x.example/a.png")),
    "sheet": docx({"word/embeddings/sheet.xlsx": archive({"[Content_Types].xml": b"<Types/>"})}),
    "equation": docx({"word/embeddings/equation.bin": OLE}),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_document_as_people_write_them_is_clean(name: str, look: Look) -> None:
    assert look(GOOD[name], "a.docx") == "clean"
