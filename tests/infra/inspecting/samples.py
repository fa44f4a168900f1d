"""Files made here: none of them is anything but what it shows, and all are small."""

import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from fpdf import FPDF
from PIL import Image

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!" + b"$H+H*"
PE = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00" + bytes(50) + b"\x80\x00\x00\x00" + bytes(64) + b"PE\0\0"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'
SPACE = "http://schemas.openxmlformats.org/package/2006/"
OOXML = "application/vnd.openxmlformats-officedocument."
DOCX_MAIN = f"{OOXML}wordprocessingml.document.main+xml"


def picture(form: str, size: tuple[int, int] = (40, 30), frames: int = 1, **how: object) -> bytes:
    first, *more = [Image.new("RGB", size, (n, 2, 3)) for n in range(frames)]
    moving: dict[str, object] = {"save_all": True, "append_images": more} if more else {}
    out = io.BytesIO()
    first.save(out, form, **moving, **how)
    return out.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(bytes(16)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + body + png_chunk(b"IEND", b"")


def archive(files: Mapping[str, bytes] | Sequence[tuple[str | ZipInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as made:
        for name, data in files.items() if isinstance(files, Mapping) else files:
            made.writestr(name, data)
    return out.getvalue()


def docx(files: Mapping[str, bytes] | None = None, main: str = DOCX_MAIN, more: str = "") -> bytes:
    types = (
        f'<Types xmlns="{SPACE}content-types"><Override PartName="/word/document.xml"'
        f' ContentType="{main}"/>{more}</Types>'
    )
    parts = {"[Content_Types].xml": types.encode(), "word/document.xml": b"<document/>"}
    return archive(parts | dict(files or {}))


def relation(what: str, target: str) -> dict[str, bytes]:
    return {
        "word/_rels/document.xml.rels": (
            f'<Relationships xmlns="{SPACE}relationships"><Relationship Id="r1"'
            f' Type="http://x.example/relationships/{what}" Target="{target}"'
            ' TargetMode="External"/></Relationships>'
        ).encode()
    }


def odt(files: Mapping[str, bytes] | None = None) -> bytes:
    first = ZipInfo("mimetype")
    first.compress_type = ZIP_STORED
    said = b"application/vnd.oasis.opendocument.text"
    return archive([(first, said), ("content.xml", b"<a/>"), *dict(files or {}).items()])


def pdf() -> bytes:
    made = FPDF()
    made.add_page()
    made.set_font("helvetica")
    made.cell(text="Anything (in brackets) /JS")
    made.image(io.BytesIO(picture("PNG")))
    return bytes(made.output())


def plain_pdf(*objects: bytes) -> bytes:
    """Without a list of its objects: readers mend that."""
    made = (b"%d 0 obj\n%s\nendobj\n" % (n, one) for n, one in enumerate(objects, 1))
    return b"%PDF-1.7\n" + b"".join(made) + b"trailer\n<</Root 1 0 R>>\n%%EOF\n"


def object_stream(objects: bytes, more: bytes = b"", about: bytes = b"/Type/ObjStm") -> bytes:
    packed = zlib.compress(objects)
    said = b"<<%s/N 1/First 4/Filter/FlateDecode/Length %d%s>>" % (about, len(packed), more)
    return said + b"\nstream\n" + packed + b"\nendstream"


def wave(seconds: int = 1) -> bytes:
    data = bytes(8_000 * seconds)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8_000, 8_000, 1, 8)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def box(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", 8 + len(data)) + kind + data


def film() -> bytes:
    return box(b"ftyp", b"isom\0\0\0\0isom") + box(b"moov", box(b"mvhd")) + box(b"mdat", b"film")


def ogg(pages: int = 2) -> bytes:
    return (b"OggS\0\2" + bytes(20) + b"\2\3\1abcd") * pages


def flac() -> bytes:
    info = b"\x80\0\0\x22" + bytes(34)
    return b"fLaC" + b"\0" + info[1:] + b"\x81\0\0\1x" + b"\xff\xf8\xc9"


def mp3() -> bytes:
    return b"ID3\4\0\0\0\0\0\4abcd\0\0\xff\xfb\x90\0" + bytes(400)


def webm(size: bytes = b"\x84") -> bytes:
    return b"\x1aE\xdf\xa3\x87\x42\x82\x84webm" + b"\x18\x53\x80\x67" + size + b"\xec\x82\0\0"


def entry(name: bytes, data: bytes, packed: bytes, start: int = 0) -> tuple[bytes, bytes]:
    """Both headers of a deflated entry."""
    numbers = struct.pack("<III", zlib.crc32(data), len(packed), len(data))
    about = struct.pack("<HHHHH", 20, 0, 8, 0, 33) + numbers + struct.pack("<HH", len(name), 0)
    listed = b"PK\1\2" + struct.pack("<H", 20) + about + bytes(10) + struct.pack("<I", start)
    return b"PK\3\4" + about + name, listed + name


def listing(listed: bytes, entries: int, start: int) -> bytes:
    return listed + struct.pack(
        "<4sHHHHIIH", b"PK\5\6", 0, 0, entries, entries, len(listed), start, 0
    )


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def overlapping(entries: int, size: int) -> bytes:
    """Fifield's: each entry begins with the header of the next, in a block that is not packed."""
    data = bytes(size)
    packed = deflated(data)
    headers: list[tuple[bytes, bytes, bytes]] = []
    for n in range(entries):
        first, _ = entry(b"%04d" % n, data, packed)
        headers.append((b"%04d" % n, data, packed))
        block = b"\0" + struct.pack("<HH", len(first), len(first) ^ 0xFFFF)
        data, packed = first + data, block + first + packed
    last = headers[-1]
    whole = entry(*last)[0] + last[2]
    listed = b"".join(entry(*one, start=len(whole) - len(one[2]) - 34)[1] for one in headers)
    return whole + listing(listed, entries, len(whole))
