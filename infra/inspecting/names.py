"""Names of files as people give them: which are refused, wherever the file may once be saved."""

import re
from unicodedata import category, normalize

from infra.inspecting.kinds import GROUPS
from infra.inspecting.model import Code, refuse, require, within, words

MOST_BYTES = 255  # of UTF-8: what ext4, APFS and NTFS take
MOST_GIVEN = 4 * MOST_BYTES  # characters, before it is composed: no more are looked at
MOST_EXTENSION = 10  # characters; "report. final version" has none
JOINERS = (
    "\u200c\u200d"  # the only invisible ones that spelling needs: Persian, Indic scripts, emoji
)
INVISIBLE = {
    "Cc",
    "Cf",
    "Cs",
    "Co",
    "Zl",
    "Zp",
}  # bidi overrides among them: "cod.exe" read "exe.doc"
SEPARATORS = set("/\\:")  # ":" names a stream of an NTFS file
ENCODED = re.compile(r"%(2e|2f|5c|00)|%20\Z", re.IGNORECASE)  # for who decodes it once more
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])", re.IGNORECASE)
# Windows takes "a.pdf.{00021401-...}" for a shortcut, and hides what is in the braces.
CLASS_ID = re.compile(r"\.\{[0-9a-f-]+\}", re.IGNORECASE)
EXTENSION = re.compile(rf"[a-z0-9]{{1,{MOST_EXTENSION}}}")
# "com" is none of them inside a name: "example.com.pdf" is a page that was printed.
RUN_BY_WINDOWS = words(
    "ade adp application appref-ms bat chm cmd cpl dll exe gadget hta inf ins iso jar js jse jnlp "
    "library-ms lnk mde msc msi msp mst pif ps1 reg scf scr sct "
    "search-ms settingcontent-ms url vb vbe vbs vhd vhdx ws wsc wsf wsh xll"
)
RUN_BY_SERVERS = words(
    "asa asax ascx ashx asmx asp aspx cer cfm cgi htaccess jsp jspx phar php php3 php4 php5 php7 "
    "php8 phps pht phtml pl py rb sh shtml"
)
SHOWN_AS_PAGES = words("htm html mht mhtml shtm svgz swf xht xhtml xml xsl xslt")
ACTIVE = RUN_BY_WINDOWS | RUN_BY_SERVERS | SHOWN_AS_PAGES


def proper(name: str) -> str:
    """The name in NFC. Raises Invalid."""
    within(len(name), MOST_GIVEN, Code.NAME, "characters")
    _check_characters(name)
    name = normalize("NFC", name)
    require(0 < len(name.encode()) <= MOST_BYTES, Code.NAME, "length")
    require(name.strip() == name, Code.NAME, "spaces around it")
    require(not name.startswith("."), Code.NAME, "a dot in front")
    require(not name.endswith("."), Code.NAME, "a dot at the end")
    require(not ENCODED.search(name), Code.NAME, "an encoded path")
    stem = name.partition(".")[0].rstrip()
    require(not RESERVED.fullmatch(stem), Code.NAME, "reserved by Windows")
    require(not CLASS_ID.search(name), Code.NAME, "a class id")
    _check_extensions(name)
    return name


def extension(name: str) -> str:
    """In lower case, without the dot; empty where there is none."""
    last = name.rpartition(".")
    return last[2].lower() if last[1] and EXTENSION.fullmatch(last[2].lower()) else ""


def _check_characters(name: str) -> None:
    for one in name:
        if category(one) in INVISIBLE and one not in JOINERS:
            refuse(Code.NAME, f"U+{ord(one):04X}")
        # Fullwidth slashes and dots become plain ones where a name is put into an older encoding.
        # A fullwidth colon is only a colon in Chinese and Japanese.
        alike = normalize("NFKC", one)
        if one in SEPARATORS or "/" in alike or "\\" in alike or (alike == "." and one != "."):
            refuse(Code.NAME, f"U+{ord(one):04X}")


def _check_extensions(name: str) -> None:
    """`invoice.pdf.exe`, `photo.php;.jpg`, `a.pdf.zip`; not `v1.2 final.pdf`, `a.heic.jpg`."""
    parts = re.split(r"[.;]", name)[1:]  # ";" ends what old servers look at
    *inner, last = (part.strip().lower() for part in parts or [""])
    group = GROUPS.get(last)
    for part in inner:
        require(part not in ACTIVE, Code.NAME, "a double extension")
        require(GROUPS.get(part, group) == group, Code.NAME, "a double extension")
    require(last not in ACTIVE, Code.NAME, "an extension that is run")
