"""Forms of several parts, held in memory."""

from collections.abc import AsyncGenerator, Collection

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.types import Receive, Scope

from app.api.http.bodies import chunks
from app.errors import Invalid


class _Form(MultiPartParser):
    """A form that is held in memory, refused when it ends early, and whose texts are bytes, told as latin-1."""

    def __init__(self, content_type: str, stream: AsyncGenerator[bytes], most_parts: int, most_bytes: int) -> None:
        # The last `charset` counts; a sender's own may be one that cannot decode these bytes, or that changes them.
        headers = Headers({"content-type": f"{content_type}; charset=latin-1"})
        super().__init__(headers, stream, max_files=most_parts, max_fields=most_parts, max_part_size=most_bytes)
        self.spool_max_size = most_bytes
        self._whole = False

    def on_end(self) -> None:
        self._whole = True

    async def parse(self) -> FormData:
        form = await super().parse()
        if not self._whole:
            for file in self._files_to_close_on_error:
                file.close()
            raise MultiPartException("It ends before its last boundary.")
        return form


async def read_parts(scope: Scope, receive: Receive, names: Collection[str], limit: int) -> dict[str, bytes]:
    """Return the parts of a multipart/form-data body (RFC 7578), which may have these names, each once.

    Nothing is written to a disk: all parts together have at most `limit` bytes. Raises Invalid("invalid_request") for
    anything else, and what `read_body` raises.
    """
    content_type = Headers(scope=scope)["content-type"]
    parser = _Form(content_type, chunks(scope, receive, limit), len(names), limit)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Invalid("invalid_request", f"The multipart body cannot be read: {error.message}") from None
    try:
        return {name: await _content(value) for name, value in _expected(form, names)}
    finally:
        await form.close()


def _expected(form: FormData, names: Collection[str]) -> list[tuple[str, UploadFile | str]]:
    parts = form.multi_items()
    if {name for name, _ in parts} - set(names) or len(form) < len(parts):
        expected = " and ".join(f"`{each}`" for each in names)
        raise Invalid("invalid_request", f"The multipart body may have the parts {expected}, each once.")
    return parts


async def _content(part: UploadFile | str) -> bytes:
    return part.encode("latin-1") if isinstance(part, str) else await part.read()
