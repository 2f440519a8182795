"""The slug of a source: what the names of its tools begin with."""

import re

SLUG = r"^[a-z0-9-]{1,32}$"


def is_slug(text: str) -> bool:
    """Tell whether the text may be a slug."""
    return re.fullmatch(SLUG, text) is not None


def slugged(name: str) -> str:
    """Return the name in a slug's alphabet; empty if nothing of it fits."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:32].strip("-")
