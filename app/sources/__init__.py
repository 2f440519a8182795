"""What is registered: sources, their operations, and the use cases that register, change, refresh and remove them.

`models.py` is what is stored and what admins see, `repository.py` holds every query. `document.py` fetches a document,
`servers.py` says where its operations are called, `inventory.py` is what is left of it, `curation.py` what agents see
of that (`selection.py` chooses, `overrides.py` is what admins say of single tools, `shaping.py` does it),
`difference.py` what has changed. `registration.py` holds the use cases, `rules.py` what an admin may state (addresses,
audience and origin), `schedule.py` refreshes what is due.
"""
