"""/audit/export: what matches, as a zip with a signed manifest, as it is read."""

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter
from litestar.response import Stream

from api.audit_filters import provide_filter
from api.audit_reads import note_read, noted
from api.call import Call
from domain.access import Action
from domain.audit import AuditFilter
from projections.audit_export import Export, Wish
from projections.audit_files import AuditFormat


@get(
    "/export",
    opt={"action": Action.AUDIT_EXPORT},
    dependencies={"wanted": Provide(provide_filter)},
    media_type="application/zip",
)
async def export(
    wanted: NamedDependency[AuditFilter],
    call: NamedDependency[Call],
    file_format: Annotated[AuditFormat, QueryParameter(name="format")] = AuditFormat.NDJSON,
) -> Stream:
    """Oldest first, up to the newest event of now, as audit.ndjson, .csv or .parquet."""
    wish = Wish(wanted, file_format, call.caller.id, call.runtime.now())
    parts = noted(call.runtime, call.origin, Export(call.runtime, wish), wanted)
    await note_read(call.runtime, call.origin, "export", 0, wanted, of="begun")
    headers = {"Content-Disposition": 'attachment; filename="formula-audit.zip"'}
    return Stream(parts, headers=headers)
