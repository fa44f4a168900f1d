"""What every text that people write must satisfy."""

from domain.errors import Invalid


def checked(text: str, code: str, most: int, least: int = 1) -> str:
    """`text` without surrounding blanks. Raises Invalid(code) unless `least`..`most` characters."""
    no_nul(text)
    text = text.strip()
    if not least <= len(text) <= most:
        raise Invalid(code, length=len(text), least=least, most=most)
    return text


def no_nul(text: str) -> str:
    """Postgres cannot keep U+0000 in text or jsonb. Raises Invalid."""
    if "\x00" in text:
        raise Invalid("text.has_nul")
    return text
