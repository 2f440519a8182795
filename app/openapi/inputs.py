"""What a caller may say to an operation, before it has an argument's name."""

from dataclasses import dataclass

from app.openapi.definitions import Definition
from app.operation.operation import Json


@dataclass(frozen=True, slots=True)
class Input:
    """One value for one place: a parameter, a field of the body, or the body as a whole (location `body`).

    `once_given`: needed only when there is a body at all, that is, when any of its fields is given.
    """

    location: str
    name: str
    required: bool
    schema: Definition
    once_given: bool = False


_BASE64: Json = {"type": "string", "contentEncoding": "base64"}
_FILE_MEMBERS: Json = {"content": _BASE64, "filename": {"type": "string"}, "content_type": {"type": "string"}}

FILE: Json = {
    "description": "A file: its bytes in base64, alone or with a name and a media type.",
    "anyOf": [
        _BASE64,
        {"type": "object", "properties": _FILE_MEMBERS, "required": ["content"], "additionalProperties": False},
    ],
}
FILES: Json = {"description": "Files.", "type": "array", "items": FILE}


def base64_of(media_type: str) -> Json:
    """Return the schema of a body of bytes."""
    return {**_BASE64, "contentMediaType": media_type, "description": f"The body ({media_type}) in base64."}
