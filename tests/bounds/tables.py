"""What the hostile server answers (hostile.py)."""

import json

from tests.bounds import hostile_documents, identity_answers, upstream_answers
from tests.bounds.hostile import Answers, ok

_DOCUMENT = json.dumps(upstream_answers.DOCUMENT).encode()

TABLES: dict[str, Answers] = {
    "upstream": upstream_answers.ANSWERS,
    "head": upstream_answers.TO_HEAD,
    "unread": {"nothing": lambda _: ["deaf", "close"]},
    "typed": upstream_answers.TYPED,
    "document": {"of the upstream": lambda _: [ok(_DOCUMENT, "Content-Type: application/json")]},
    "keys": identity_answers.KEYS,
    "discovery": identity_answers.DISCOVERY,
    "documents": hostile_documents.ANSWERS | hostile_documents.FILES,
}
