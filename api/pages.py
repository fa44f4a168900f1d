"""Small pages that links of mails lead to: no script, no frame, and their address stays theirs."""

from litestar import MediaType, Response

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
}
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<body style="margin:15vh auto;max-width:30em;padding:0 1em;font-family:sans-serif">
{body}
</body>
</html>
"""


def page(title: str, body: str) -> Response[str]:
    """`body` is HTML."""
    content = PAGE.format(title=title, body=body)
    return Response(content, headers=HEADERS, media_type=MediaType.HTML)
