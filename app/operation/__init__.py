"""One operation of a source and what it is made of, whatever kind of document it came from.

`operation.py` is the operation, its JSON, its size as a tool, and the report of what became of a document's operations.
Beside it lies what every reader and caller of operations shares: media types, JSON pointers, texts and names for
models, and the keywords of JSON Schema with the cost of checking them.
"""
