"""What is registered: sources, their operations, and the use cases that register, change, refresh and remove them.

`models.py` is what is stored and what admins see, `repository.py` holds every query, `registration.py` the use cases,
`rules.py` what an admin may state (addresses, audience and origin). `servers.py` says where operations are called,
`inventory.py` is what is left of them, `curation.py` what agents see of that (`selection.py` chooses, `overrides.py` is
what admins say of single tools, `shaping.py` does it). `schedule.py` refreshes what is due.
"""
