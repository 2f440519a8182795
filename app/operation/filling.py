"""Members of arguments that are required and have a default: they are sent when a caller leaves them out.

A `Filling` is JSON, because it is stored with its operation: `members` are the values to fill in; `properties`, `items`
and `parts` are the fillings of members, of items and of the same value; `ref` names one of `definitions`.
"""

from app.operation.operation import Json, Value

Filling = Json
_LETTERS = 64  # for a step


class TooMuch(Exception):
    """More would be filled in than the caller allows."""


class Filler:
    """Fills in what values lack, in so many steps: each look at a value, each member, each 64 letters is one.

    A small value may lack much: the defaults are as large as the document makes them, and each item lacks all.
    """

    def __init__(self, definitions: Json, most: int) -> None:
        self._definitions = definitions
        self._left = most

    def filled(self, value: Value, filling: Filling) -> Value:
        """Return the value with what it lacks; it is not changed itself. Raises TooMuch."""
        self._take(1)
        if "ref" in filling:
            value = self.filled(value, self._definitions[filling["ref"]])
        for part in filling.get("parts", ()):
            value = self.filled(value, part)
        if isinstance(value, list) and "items" in filling:
            return [self.filled(each, filling["items"]) for each in value]
        if not isinstance(value, dict):
            return value
        inner = {
            name: self.filled(value[name], each)
            for name, each in filling.get("properties", {}).items()
            if name in value
        }
        lacking = {name: each for name, each in filling.get("members", {}).items() if name not in value}
        for each in lacking.values():
            self._take(1 + len(each) // _LETTERS if isinstance(each, str) else 1)
        return {**value, **inner, **lacking}

    def _take(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise TooMuch
