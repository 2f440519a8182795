"""What one process remembers between requests, behind one seam.

`protocols.py` says what can be remembered: kept values and leases. `in_process.py` does it within one process;
replicas can share what they must by another implementation, which passes the same tests (tests/memory/).
"""

from app.memory.in_process import InProcessMemory
from app.memory.protocols import Kept, Leases, Memory

__all__ = ["InProcessMemory", "Kept", "Leases", "Memory"]
