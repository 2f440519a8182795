"""Path templates (OAS 3.1.1 section 4.8.8.2): literal text and names in braces."""

import re

_EXPRESSION = re.compile(r"\{([^{}/]*)\}")
_OPERATORS = "+#./;?&"
_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,40}")


def split_template(path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the literals around the names, one more than names, and the names; `#…` is no part of a request."""
    pieces = _EXPRESSION.split(path.partition("#")[0])
    return tuple(pieces[::2]), tuple(variable_name(expression) for expression in pieces[1::2])


def variable_name(expression: str) -> str:
    """Return the name alone: some documents write RFC 6570 operators and modifiers, as in `{;id*}`."""
    return expression.lstrip(_OPERATORS).removesuffix("*").strip()


def is_method(text: str) -> bool:
    """Whether the text can be the method of a request (RFC 9110 section 9.1)."""
    return _METHOD.fullmatch(text) is not None and text.upper() != "CONNECT"
