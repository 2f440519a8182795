"""What a tool promises about its structured content, and how any answer keeps the promise.

An API may not answer as its document says, and errors have forms of their own. So the published schema has two
branches: the documented shape, and `other_answer` around anything else. Which of them an answer takes is found by
validating it, once, against the shape. The engine holds the interpreter's lock, so the shape promises nothing that
takes more than a look at each value, and an answer that would take long all the same is `other_answer`.
"""

from functools import cached_property

import structlog
from jsonschema_rs import Draft202012Validator

from app.operation.checking import UnusableSchema, validator_of
from app.operation.keywords import is_laborious, words_of
from app.operation.operation import Json, Value
from app.operation.schemas import loosened

OTHER = "other_answer"

_OTHER_BRANCH: Json = {"properties": {OTHER: {}}, "required": [OTHER]}  # small, because every tool has it
_COSTLY = frozenset(
    {"multipleOf", "pattern", "patternProperties", "unevaluatedItems", "unevaluatedProperties", "uniqueItems"}
)
_FEW = 50  # schemas for one value; with so many, any answer takes some hundred milliseconds at most
_WEIGHTS = (_FEW, 200, 800)
_HEAVIEST = 2_000
_MOST_VISITS = 5_000_000  # values times schemas for one, of some 50 ns at worst
_log = structlog.get_logger(__name__)


class OutputRules:
    """The promise of one tool. The shape is compiled once, when it is first needed."""

    def __init__(self, shape: Json) -> None:
        self._shape: Json = loosened(shape, _COSTLY) if _COSTLY & words_of(shape) else shape
        self.is_object = shape.get("type") == "object"
        branches: Json = {"anyOf": [self._shape, _OTHER_BRANCH]}
        self.published: Json = {"type": "object", **branches} if self.is_object else branches

    def kept_by(self, body: Value) -> bool:
        """Whether the JSON has the documented shape, as far as it does not take long to tell."""
        if self._weight > _FEW and _values(body, _MOST_VISITS // self._weight) > _MOST_VISITS // self._weight:
            return False
        return self._validator.is_valid(body)

    @cached_property
    def _weight(self) -> int:
        """How many schemas one value may have to be checked against."""
        return next((most for most in _WEIGHTS if not is_laborious(self._shape, most)), _HEAVIEST)

    @cached_property
    def _validator(self) -> Draft202012Validator:
        try:
            return validator_of(self._shape)
        except UnusableSchema as error:
            _log.warning("an output schema is unusable, no answer will fit it", error=str(error))
            return validator_of(False)


def _values(body: Value, most: int) -> int:
    """Return how many values there are; counting ends soon after `most`."""
    number, pending = 1, [body]
    while pending and number <= most:
        each = pending.pop()
        if isinstance(each, dict | list):
            number += len(each)
            pending += each.values() if isinstance(each, dict) else each
    return number


def otherwise(body: Value) -> Json:
    """Return what takes the branch for answers that are not as documented."""
    return {OTHER: body}
