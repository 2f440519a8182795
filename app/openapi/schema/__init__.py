"""The schemas of a document as JSON Schema 2020-12, and the input schemas that are made of them."""
