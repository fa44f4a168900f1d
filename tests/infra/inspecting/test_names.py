"""Names: what people write is taken, tricks are refused."""

import re
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from infra.inspecting.model import words
from infra.inspecting.names import MOST_BYTES, extension, proper

TRICKS = words("""
a.asp;.jpg a.exe%20
invoice.pdf.exe photo.php.jpg photo.php5.png shell.phtml.jpg a.exe.jpg a.js.pdf page.html.png
report.pdf.zip invoice.pdf.js scan.jpg.pdf run.exe setup.msi a.lnk a.html a.php a.xml a.svgz
../a.txt ..\\a.txt /etc/passwd C:\\a.txt C:a.txt a.txt:evil.exe a/b.txt .. . .htaccess
..%2fa.txt %2e%2e%5ca.txt a%00.txt con CON.txt nul.pdf Com1.txt lpt9.csv COM¹.txt CONOUT$.txt
a.pdf. a.pdf.{00021401-0000-0000-C000-000000000046} ..／a.txt ＼a.txt a．exe
""")
INVISIBLE = ["a\x00.txt", "a\n.txt", "a\x7f.txt", "exe\u202egpj.txt", "a\u2066.txt", "a\u200e.txt"]
UNSEEN = ["a\ufeff.txt", "a\u200b.txt", "a\u2028.txt", "a\ud800.txt", "a\uf03a.txt"]
SPACED = [" a.txt", "a.txt ", "a.pdf .exe", "con .txt", "a.exe .jpg", "", "a.txt\u3000"]
PLAIN = words("""
report.pdf v1.2.3.pdf example.com.pdf README archive.tar photo.heic.jpg notes.md.txt 报告：最终.pdf
日本語.txt Übersicht.docx console.txt com.txt communication.pdf ünï.csv resumé….pdf
""")


@pytest.mark.parametrize(
    "name", [*sorted(TRICKS), *INVISIBLE, *UNSEEN, "a" * 5_000_000, *SPACED, "a" * 256, "ä" * 128]
)
def test_a_trick_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        proper(name)
    assert caught.value.code == "file.name_not_allowed"


@pytest.mark.parametrize(
    "name", [*sorted(PLAIN), "Report. Final version.pdf", "a" * 255, "👩\u200d👧.png"]
)
def test_a_plain_name_is_taken_as_it_is(name: str) -> None:
    assert proper(name) == name


def test_a_name_is_kept_composed() -> None:
    assert proper(normalize("NFD", "Übersicht.txt")) == "Übersicht.txt"


@pytest.mark.parametrize(
    ("name", "said"),
    [("a.PDF", "pdf"), ("a", ""), ("a.b c", ""), ("a.tar.gz", "gz"), ("Mr. Smith's", "")],
)
def test_the_extension_is_what_follows_the_last_dot(name: str, said: str) -> None:
    assert extension(name) == said


@given(st.text(max_size=300) | st.from_regex(r"[\w./\\:%~ -]{1,30}\.[a-z]{1,4}", fullmatch=True))
def test_what_is_taken_can_be_saved_anywhere(name: str) -> None:
    try:
        taken = proper(name)
    except Invalid as refused:
        assert refused.code == "file.name_not_allowed"  # noqa: PT017
        return
    assert proper(taken) == taken == normalize("NFC", name)
    assert 0 < len(taken.encode()) <= MOST_BYTES
    assert not re.search(r"[/\\:\x00-\x1f\u202a-\u202e\u2066-\u2069]", taken)
    assert taken.strip(" .\t") == taken
