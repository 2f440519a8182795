"""The objects of OAS 3.1.1 (section 4.8), as far as a call needs them."""

from pydantic import BaseModel, Field

from app.operation.operation import Location


class ServerVariableObject(BaseModel):
    """Section 4.8.6."""

    default: str
    enum: list[str] | None = None


class ServerObject(BaseModel):
    """Section 4.8.5."""

    url: str
    variables: dict[str, ServerVariableObject] | None = None


class OperationObject(BaseModel):
    """Section 4.8.10, what describes the operation as a whole."""

    operation_id: str | None = Field(default=None, alias="operationId")
    summary: str | None = None
    description: str | None = None
    tags: list[str] | None = None
    deprecated: bool = False


class ParameterObject(BaseModel):
    """Section 4.8.12, and OAS 3.2.0 section 4.12 for `querystring`; its value is read apart."""

    name: str
    location: Location = Field(alias="in")
    description: str | None = None
    required: bool = False
    deprecated: bool = False
    style: str | None = None
    explode: bool | None = None
    allow_reserved: bool = Field(default=False, alias="allowReserved")


class RequestBodyObject(BaseModel):
    """Section 4.8.13; its content is read apart."""

    description: str | None = None
    required: bool = False


class EncodingObject(BaseModel):
    """Section 4.8.15. A caller has no say in the headers of a part."""

    content_type: str | None = Field(default=None, alias="contentType")
    style: str | None = None
    explode: bool | None = None
    allow_reserved: bool = Field(default=False, alias="allowReserved")
