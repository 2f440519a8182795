"""Documents, the files that they refer to, and the tools that are made of them."""

from urllib.parse import quote

from tests.bounds.hostile import Answers, size_of
from tests.bounds.hostile_documents import BY_SURFACE
from tests.bounds.row import OK, Attack, Row
from tests.bounds.stage import Stage

SLUG = "made"
_EXPECTED = frozenset(
    {
        OK,
        *("base_url_refused", "document_too_complex", "document_too_large", "document_unreachable", "invalid_document"),
        *("document_timeout", "redirect_refused", "answer_encoding_refused"),
    }
)


def _rows(surface: str, answers: Answers) -> list[Row]:
    def row(name: str) -> Row:
        def attack(stage: Stage, scale: int) -> Attack:
            url = f"{stage.answering}/documents/{quote(name)}/{scale}/openapi.json"
            return Attack(size_of(answers[name], scale), lambda: registered(stage, url))

        return Row(surface, name, attack, _EXPECTED, apart=True)

    return [row(name) for name in answers]


def registered(stage: Stage, url: str) -> str:
    """Register it, list its tools over both doors, refresh and change it, and remove it; what came of all that."""
    answer = stage.admin("POST", "/api/v1/sources", json={"name": SLUG, "slug": SLUG, "url": url})
    if answer.status_code != 201:
        return str(answer.json()["code"])
    try:
        for method, path, body in (
            ("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}),
            ("GET", f"/api/v1/sources/{SLUG}/report", None),
            ("POST", f"/api/v1/sources/{SLUG}/refresh", None),
            ("PATCH", f"/api/v1/sources/{SLUG}", {"description": "changed"}),
        ):
            again = stage.admin(method, path, json=body)
            if not again.is_success:
                return f"{method} {path}: {again.text[:200]}"
    finally:
        stage.admin("DELETE", f"/api/v1/sources/{SLUG}")
    return OK


ROWS = [row for surface, answers in BY_SURFACE.items() for row in _rows(f"document's {surface}", answers)]
