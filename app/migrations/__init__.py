"""The history of the schema, run by `Database.migrate()` at every start. Revisions are in `versions/`."""
