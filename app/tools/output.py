"""What a tool promises about its structured content, and how any answer keeps the promise.

An API may not answer as its document says, and errors have forms of their own. So the published schema has two
branches: the documented shape, and `other_answer` around anything else. Which of them an answer takes is found by
validating it, once, against the shape.
"""

import structlog
from jsonschema_rs import Draft202012Validator

from app.operation.checking import UnusableSchema, validator_of
from app.operation.operation import Json, Value

OTHER = "other_answer"

_OTHER_BRANCH: Json = {"properties": {OTHER: {}}, "required": [OTHER]}  # small, because every tool has it
_log = structlog.get_logger(__name__)


class OutputRules:
    """The promise of one tool. The shape is compiled once, when it is first needed."""

    __slots__ = ("_shape", "_validator", "is_object", "published")

    def __init__(self, shape: Json) -> None:
        self._shape = shape
        self._validator: Draft202012Validator | None = None
        self.is_object = shape.get("type") == "object"
        branches: Json = {"anyOf": [shape, _OTHER_BRANCH]}
        self.published: Json = {"type": "object", **branches} if self.is_object else branches

    def kept_by(self, body: Value) -> bool:
        """Whether the JSON has the documented shape."""
        if self._validator is None:
            self._validator = self._compile()
        return self._validator.is_valid(body)

    def _compile(self) -> Draft202012Validator:
        try:
            return validator_of(self._shape)
        except UnusableSchema as error:
            _log.warning("an output schema is unusable, no answer will fit it", error=str(error))
            return validator_of(False)


def otherwise(body: Value) -> Json:
    """Return what takes the branch for answers that are not as documented."""
    return {OTHER: body}
