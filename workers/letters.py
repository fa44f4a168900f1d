"""Letters from templates: the same words as text and as HTML."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from domain.user import User
from infra.mail import Letter

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def letter(template: str, to: User, subject: str, unsubscribe: str, **values: object) -> Letter:
    """`template` names a .txt and an .html file; both see all that is given."""
    given = {"to": to, "subject": subject, "unsubscribe": unsubscribe, **values}
    text, html = (
        TEMPLATES.get_template(f"{template}.{form}").render(given) for form in ("txt", "html")
    )
    return Letter(to.name, to.email, subject, text, html, unsubscribe)
