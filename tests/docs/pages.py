"""The pages of the documentation, and what they name."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [*(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")), *DOCS]
Table = list[list[str]]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks in these languages; `` names those without one."""
    return [body for language, body in _FENCE.findall(text_of(page)) if language in languages]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", text_of(page))


def commands(page: Path) -> list[str]:
    """Everything on the page that is set as code."""
    indented = re.findall(r"^    (\S.*)$", prose(page), re.MULTILINE)
    return [*_INLINE.findall(prose(page)), *indented, *(body for _, body in _FENCE.findall(text_of(page)))]


def rows(page: Path) -> Table:
    """The cells of every table row, without heads and rulers."""
    lines = [line for line in prose(page).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def anchors(page: Path) -> set[str]:
    """The anchors of the page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def quoted(cell: str) -> list[str]:
    """What a table cell sets as code."""
    return _INLINE.findall(cell)
