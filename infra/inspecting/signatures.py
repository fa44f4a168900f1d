"""What is never taken, by its bytes: programs by how they start, and the test virus anywhere."""

import re

from infra.inspecting.model import Content, Malware

LONGEST = 128  # bytes: no pattern here matches more
# In two parts, for a scanner must not find it in this file.
EICAR = b"".join((rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$", rb"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"))
KNOWN = {"Eicar-Test-Signature": EICAR}
STARTS = {
    b"\x7fELF": "ELF",
    b"\xfe\xed\xfa\xce": "Mach-O",
    b"\xfe\xed\xfa\xcf": "Mach-O",
    b"\xce\xfa\xed\xfe": "Mach-O",
    b"\xcf\xfa\xed\xfe": "Mach-O",
    b"\xca\xfe\xba\xbe": "Java class or Mach-O",
    b"\xbe\xba\xfe\xca": "Mach-O",
    b"dex\n03": "Dalvik",
    b"\x00asm": "WebAssembly",
    b"L\x00\x00\x00\x01\x14\x02\x00": "Windows shortcut",
    b"#!": "script",
    b"\xef\xbb\xbf#!": "script",
}
BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a]")


def executable(head: bytes) -> str | None:
    """What kind of program begins so. "MZ" alone is a country in a CSV as well."""
    if head.startswith((b"MZ", b"ZM")) and BINARY.search(head):
        return "Windows program"
    return next((name for start, name in STARTS.items() if head.startswith(start)), None)


def check_known(content: Content) -> None:
    """Raises Malware."""
    for name, pattern in KNOWN.items():
        if content.find(pattern) >= 0:
            raise Malware(name)
