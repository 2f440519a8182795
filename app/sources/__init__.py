"""What is registered: sources, their operations, and the use cases that register, change, refresh and remove them.

`models.py` is what is stored and what admins see, `repository.py` holds every query, `document.py` fetches a document,
`registration.py` holds the use cases, `curation.py` what agents see of the operations (`selection.py` chooses them,
`overrides.py` is what admins say of single ones, `shaping.py` does it), `rules.py` what an admin may state (audience
and origin, access, upstream_auth).
"""
