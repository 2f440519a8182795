"""What an admin states about single tools, bound to method and path. What is not stated stays as in the document."""

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


def left_out_stays(schema: dict[str, Any]) -> None:
    """Take the defaults out of the JSON Schema of a partial update: a field that is left out stays as it is."""
    for field in schema["properties"].values():
        field.pop("default", None)


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
    `default`: sent when the caller gives none. `allow_slashes`: those in its value divide segments of the path.
    """

    model_config = ConfigDict(extra="forbid")

    pin: JsonValue = Field(
        default=None,
        description="A value that is always sent; the argument is not shown. Only `allow_slashes` may stand beside it.",
    )
    hide: bool = Field(
        default=False,
        description="Whether the argument is not shown; `default` is sent, if there is one.",
    )
    default: JsonValue = Field(default=None, description="What is sent when the caller gives no value.")
    description: Description | None = Field(
        default=None,
        description="What the argument means, in place of the document's words.",
    )
    allow_slashes: bool = Field(
        default=False,
        description="Whether slashes in its value divide segments of the path, where it is part of the path.",
    )

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if self.pins and not self.model_fields_set <= {"pin", "allow_slashes"}:
            raise ValueError(
                "beside `pin` only `allow_slashes` may stand: the argument is always sent with that value and not shown"
            )
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
    """What the operation does, where its method does not say."""

    model_config = ConfigDict(extra="forbid")

    read_only: bool | None = Field(default=None, description="Whether it only reads.")
    destructive: bool | None = Field(default=None, description="Whether it may destroy or overwrite something.")
    idempotent: bool | None = Field(
        default=None,
        description="Whether calling it again with the same arguments changes nothing more.",
    )

    def stated(self) -> dict[str, bool]:
        """Return what was said."""
        return self.model_dump(exclude_none=True)


class ToolUpdate(BaseModel):
    """What an admin may state about a tool. A field that is left out stays; null resets it to the document."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=left_out_stays)

    name: Name | None = Field(default=None, description="What the tool is called, behind the slug.")
    title: Title | None = Field(default=None, description="A short name for people.")
    description: Description | None = Field(default=None, description="What it does, for a model to choose by.")
    hidden: bool | None = Field(default=None, description="Whether to leave it out of the tools.")
    annotations: StatedHints | None = Field(default=None, description="What it does, where its method does not say.")
    arguments: Annotated[dict[str, ArgumentOverride], Field(max_length=_MOST_ARGUMENTS)] | None = Field(
        default=None,
        description="What becomes of individual arguments, by name.",
    )

    def stated(self) -> dict[str, Any]:
        """Return what to store: every field that states something."""
        return {name: value for name, value in self.model_dump(exclude_unset=True).items() if value not in (None, {})}


class ToolOverride(ToolUpdate):
    """What an admin states about the tool of one operation."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=None)

    method: Method = Field(description="The HTTP method of the operation.")
    path: str = Field(description="The path template of the operation, as the document writes it.")

    @property
    def key(self) -> Key:
        """Method and path."""
        return self.method, self.path


Overrides = Annotated[list[ToolOverride], Field(max_length=_MOST_OVERRIDES)]
