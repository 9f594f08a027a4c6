"""An endpoint as files that run it elsewhere, in one archive."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from everloop.errors import invalid
from everloop.loop.exporting import How, archive, exported
from everloop.server.call import Call

MEDIA = "application/gzip"
OPTIONS = How.__struct_fields__


def export(call: Call) -> Response:
    """``/endpoints/E/export/docker?image=…``: the files as .tar.gz."""
    endpoint, kind = call.path["endpoint"], call.path["kind"]
    try:
        how = msgspec.convert(dict(call.query), How, strict=False)
    except msgspec.ValidationError as error:
        raise invalid("query", dict(call.query), f"the options of an export ({error})") from None
    files = archive(exported(call.project, kind, endpoint, how))
    name = f'attachment; filename="{endpoint}-{kind}.tar.gz"'
    return Response(files, media_type=MEDIA, headers={"content-disposition": name})
