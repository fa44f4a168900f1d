"""Drawings only: nothing that runs, nothing that is fetched, nothing that grows."""

import base64

import pytest

from infra.inspecting.model import Code
from infra.inspecting.svg import MOST_DEPTH
from tests.infra.inspecting.conftest import Look
from tests.infra.inspecting.samples import SVG, picture

DATA = base64.b64encode(picture("PNG")).decode()
DOCTYPE = "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd"
INKSCAPE = "http://www.inkscape.org/namespaces/inkscape"
GOOD = [
    "<g id='a'><path d='M0 0'/></g><use href='#a'/><use xlink:href='#a'/>",
    "<linearGradient id='g'/><rect fill='url(#g)' style='fill:url(\"#g\");stroke:red'/>",
    f"<image href='data:image/png;base64,{DATA}'/>",
    "<style>.a{fill:red} @font-face{src:url(data:font/woff2;base64,AAAA)}</style>",
    "<style><![CDATA[.a > .b {fill:red}]]></style>",
    "<animate attributeName='opacity' values='0;1'/><title>on click: javascript</title>",
    f"<metadata><i:page xmlns:i='{INKSCAPE}' i:label='x'/></metadata>",
    f"<g xmlns:i='{INKSCAPE}' i:groupmode='layer'/>",
    "<filter id='f'><feGaussianBlur stdDeviation='2'/></filter><g filter='url(#f)'/>",
]
RUNS = [
    "<script>alert(1)</script>",
    "<script href='x.js'/>",
    "<x:script xmlns:x='http://www.w3.org/2000/svg'>alert(1)</x:script>",
    "<h:script xmlns:h='http://www.w3.org/1999/xhtml'>alert(1)</h:script>",
    "<script xmlns='http://purl.org/dc/terms/'>alert(1)</script>",
    "<SCRIPT>alert(1)</SCRIPT>",
    "<handler xmlns='http://www.w3.org/2000/svg'>alert(1)</handler>",
    "<foreignObject><body xmlns='http://www.w3.org/1999/xhtml'/></foreignObject>",
    "<iframe xmlns='http://www.w3.org/1999/xhtml' src='//x.example'/>",
    "<rect onclick='alert(1)'/>",
    "<rect ONLOAD='alert(1)'/>",
    f"<i:x xmlns:i='{INKSCAPE}' onload='alert(1)'/>",
    "<a href='javascript:alert(1)'/>",
    "<a xlink:href='java&#115;cript:alert(1)'/>",
    "<a href=' java&#10;script:alert(1)'><text>x</text></a>",
    "<animate attributeName='href' values='javascript:alert(1)'/>",
    "<set attributeName='xlink:href' to='#x'/>",
    "<set attributeName='onmouseover' to='alert(1)'/>",
    "<animate attributeName='fill' values='javascript:alert(1)'/>",
    "<rect style='width:expression(alert(1))'/>",
    "<rect ev:event='click' xmlns:ev='http://www.w3.org/2001/xml-events'/>",
]
FETCHES = [
    "<image href='http://x.example/a.png'/>",
    "<image href='//x.example/a.png'/>",
    "<image href='data:image/svg+xml;base64,PHN2Zy8+'/>",
    "<use href='http://x.example/a.svg#a'/>",
    "<use href='data:image/svg+xml,&lt;svg/>'/>",
    "<a href='data:text/html;base64,PHNjcmlwdD4='/>",
    "<rect fill='url(http://x.example/a.svg#a)'/>",
    "<rect style='fill:u\\72l(http://x.example)'/>",
    "<style>@import 'http://x.example/a.css';</style>",
    '<style>.a{background:url(  "//x.example/a")}</style>',
    "<style>.a{background:image-set('//x.example/a' 1x)}</style>",
    "<style>@font-face{src:url(https://x.example/f)}</style>",
    "<g xml:base='http://x.example/'><use href='#a'/></g>",
    "<a href='#a' ping='http://x.example'/>",
    "<animate attributeName='fill' to='url(http://x.example/a.svg#a)'/>",
    "<style>@namespace url(http://x.example);</style>",
    "<feImage href='file:///etc/passwd'/>",
]


@pytest.mark.parametrize("inner", GOOD)
def test_a_drawing_is_clean(inner: str, look: Look) -> None:
    assert look(SVG.format(inner).encode(), "a.svg") == "clean"


def test_what_old_programs_write_in_front_is_taken(look: Look) -> None:
    front = "<?xml version='1.0' encoding='UTF-8'?>\n<!-- made -->\n"
    front += f"<!DOCTYPE svg PUBLIC '' '{DOCTYPE}'>"
    assert look((front + SVG.format("")).encode(), "a.svg") == "clean"


@pytest.mark.parametrize("inner", RUNS)
def test_what_runs_is_refused(inner: str, look: Look) -> None:
    assert look(SVG.format(inner).encode(), "a.svg") == Code.ACTIVE


@pytest.mark.parametrize("inner", FETCHES)
def test_what_is_fetched_is_refused(inner: str, look: Look) -> None:
    assert look(SVG.format(inner).encode(), "a.svg") == Code.EXTERNAL


@pytest.mark.parametrize(
    "front",
    [
        "<!DOCTYPE svg [<!ENTITY a 'x'><!ENTITY b '&a;&a;'>]>",
        "<!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>",
        "<!DOCTYPE svg [<!ATTLIST svg onload CDATA 'alert(1)'>]>",
        "<!DOCTYPE svg SYSTEM 'http://x.example/a.dtd'>",
        "<?xml-stylesheet href='http://x.example/a.css'?>",
        "<?xml-stylesheet type='text/xsl' href='#x'?>",
    ],
)
def test_a_dtd_or_a_style_sheet_is_refused(front: str, look: Look) -> None:
    drawing = SVG.format("<text>&a;</text>" if "ENTITY a" in front else "")
    assert look((front + drawing).encode(), "a.svg") == Code.ACTIVE


def test_an_entity_that_a_dtd_might_have_is_refused(look: Look) -> None:
    drawing = f"<!DOCTYPE svg PUBLIC '' '{DOCTYPE}'>{SVG.format('<text>&x;</text>')}"
    assert look(drawing.encode(), "a.svg") == Code.ACTIVE


@pytest.mark.parametrize(
    "inner",
    [
        "<title><![CDATA[<img src=x onerror=alert(1)>]]></title>",
        "<!--><img src=x onerror=alert(1)>-->",
        "<style>&lt;/style>&lt;img src=x onerror=alert(1)></style>",
    ],
)
def test_what_a_page_around_would_read_in_another_way_is_refused(inner: str, look: Look) -> None:
    assert look(SVG.format(inner).encode(), "a.svg") == Code.POLYGLOT


def test_a_drawing_that_grows_is_refused(look: Look) -> None:
    """A million rectangles of a few lines, or a circle, or a tower."""
    layers = "".join(
        f"<g id='l{n}'>" + f"<use href='#l{n - 1}'/>" * 10 + "</g>" for n in range(1, 8)
    )
    for inner in (
        f"<g id='l0'/>{layers}",
        "<g id='a'><use href='#b'/></g><g id='b'><use href='#a'/></g>",
        "<g>" * (MOST_DEPTH + 1) + "</g>" * (MOST_DEPTH + 1),
    ):
        assert look(SVG.format(inner).encode(), "a.svg") == Code.BOMB
    fewer = "".join(f"<g id='l{n}'><use href='#l{n - 1}'/></g>" for n in range(1, 200))
    assert look(SVG.format(f"<g id='l0'/>{fewer}").encode(), "a.svg") == "clean"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-7"])
def test_another_encoding_is_refused(encoding: str, look: Look) -> None:
    declared = f"<?xml version='1.0' encoding='{encoding}'?>{SVG.format('')}"
    assert look(declared.encode(), "a.svg") in (Code.DAMAGED, Code.DIFFERS)
    assert look(declared.encode(encoding), "a.svg") in (Code.DIFFERS, Code.TYPE, Code.DAMAGED)
