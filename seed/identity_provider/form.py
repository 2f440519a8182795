"""A form as it came in; OAuth forbids repeated parameters, and repetition must therefore be seen."""

from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl


class Form:
    """The parameters of an `application/x-www-form-urlencoded` body, in order."""

    def __init__(self, parameters: Iterable[tuple[str, str]] = ()) -> None:
        self._parameters = list(parameters)

    @classmethod
    def parse(cls, body: bytes) -> "Form":
        return cls(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))

    def get(self, name: str) -> str | None:
        return next((value for key, value in self._parameters if key == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._parameters if key == name]

    def repeats_other_than(self, allowed: Sequence[str]) -> bool:
        names = [key for key, _ in self._parameters if key not in allowed]
        return len(names) != len(set(names))
