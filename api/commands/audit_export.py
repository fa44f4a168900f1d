"""formula audit export, formula audit verify-export: the audit as a signed file, and the proof."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from api.audit_reads import note_read, noted
from api.commands.asking import AsUser, asking
from api.commands.audit import Wanted, kept, origin_of
from api.commands.output import JsonFlag, fail, out, print_json, running_settings
from api.commands.progress import progress
from domain.access import Action
from infra.settings import Settings
from infra.signing import Signer
from projections.audit_export import Export, Wish
from projections.audit_files import AuditFormat, BadExport, Manifest, verify_export


def export(
    file: Annotated[Path, typer.Argument(help="A new file: a zip.")],
    format_: Annotated[AuditFormat, typer.Option("--format")] = AuditFormat.NDJSON,
    filter_: Wanted = None,
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Write the audit trail to a zip with a signed manifest.

    Example: [bold]formula audit export locks.zip --filter '{"aggregate":"lock"}'[/]
    """
    settings = running_settings()
    asyncio.run(_export(settings, as_user, file, filter_, format_))
    _show(verify_export(file, Signer(settings).public_key), "exported", json=json)


def verify(
    file: Path,
    key: Annotated[
        str | None, typer.Option(metavar="HEX", help="Public key; default: this instance's.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Check that an export is whole and as it was signed. Exit code 1 when it is not.

    Example: [bold]formula audit verify-export audit.zip[/]
    """
    try:
        manifest = verify_export(file, key or Signer(running_settings()).public_key)
    except BadExport as error:
        fail(error)
    _show(manifest, "unaltered:", json=json)


async def _export(
    settings: Settings, as_user: str | None, file: Path, name: str | None, format_: AuditFormat
) -> None:
    async with asking(settings, as_user, Action.AUDIT_EXPORT) as runtime:
        origin = await origin_of(runtime, as_user)
        wanted = await kept(runtime, origin.actor, name)
        await note_read(runtime, origin, "export", 0, wanted, of="begun")
        wish = Wish(wanted, format_, origin.actor, runtime.now())
        with progress() as note, file.open("xb") as target:
            made = Export(runtime, wish, lambda done, of: note("exporting", done, of))
            async for part in noted(runtime, origin, made, wanted):
                target.write(part)


def _show(manifest: Manifest, did: str, *, json: bool) -> None:
    if json:
        print_json(manifest)
        return
    out.print(
        f"{did} {manifest.count:,} events, positions {manifest.first} to {manifest.last}",
        f"sha256 {manifest.sha256}",
        f"public key {manifest.public_key}",
        sep="\n",
        markup=False,
        soft_wrap=True,
    )
