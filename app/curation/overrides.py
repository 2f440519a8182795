"""What an admin says of single tools, bound to method and path. A field that is not stated is left to the document."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.curation.selection import Method
from app.operation.operation import Value
from app.operation.text import LONGEST_DESCRIPTION, LONGEST_NAME, OPERATION_NAME, Key, is_presentable

_MOST_ARGUMENTS = 500
_MOST_OVERRIDES = 2_000


def _presentable(value: Value) -> Value:
    if not is_presentable(value):
        raise ValueError("has invisible or control characters in it, or is nested too deep")
    return value


Name = Annotated[str, StringConstraints(pattern=OPERATION_NAME)]
Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME), AfterValidator(_presentable)
]
Description = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_DESCRIPTION),
    AfterValidator(_presentable),
]
JsonValue = Annotated[Any, AfterValidator(_presentable)]


class ArgumentOverride(BaseModel):
    """What becomes of one argument.

    `pin`: always sent with this value and not shown. `hide`: not shown; `default` is sent, if there is one.
    `default`: sent when the caller gives none.
    """

    model_config = ConfigDict(extra="forbid")

    pin: JsonValue = None
    hide: bool = False
    default: JsonValue = None
    description: Description | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if self.pins and self.model_fields_set != {"pin"}:
            raise ValueError("`pin` stands alone: a pinned argument is always sent with that value and not shown")
        return self

    @property
    def pins(self) -> bool:
        """Whether the argument is pinned; `null` is a value like any other."""
        return "pin" in self.model_fields_set

    @property
    def shown(self) -> bool:
        """Whether callers see the argument."""
        return not (self.pins or self.hide)

    @property
    def preset(self) -> str | None:
        """The field that holds the value to send, if one does."""
        return next((name for name in ("pin", "default") if name in self.model_fields_set), None)


class StatedHints(BaseModel):
    """What the operation does, where its method does not tell. See `Hints`."""

    model_config = ConfigDict(extra="forbid")

    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None

    def stated(self) -> dict[str, bool]:
        """Return what was said."""
        return self.model_dump(exclude_none=True)


class ToolUpdate(BaseModel):
    """What an admin may say of a tool. null takes a field back to what the document says."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    title: Title | None = None
    description: Description | None = None
    hidden: bool | None = None
    annotations: StatedHints | None = None
    arguments: Annotated[dict[str, ArgumentOverride], Field(max_length=_MOST_ARGUMENTS)] | None = None

    def stated(self) -> dict[str, Any]:
        """Return what is to be stored: every field that says something."""
        return {name: value for name, value in self.model_dump(exclude_unset=True).items() if value not in (None, {})}


class ToolOverride(ToolUpdate):
    """The same with the operation that it is about: its method and its path, as the document writes it."""

    method: Method
    path: str

    @property
    def key(self) -> Key:
        """Method and path."""
        return self.method, self.path


Overrides = Annotated[list[ToolOverride], Field(max_length=_MOST_OVERRIDES)]
