"""`python -m modelwright.app.keeper STATE EDGE INSTANCES`: keeps an environment: its memory in one folder, what it
shares with the edge in another, and in the third what monitors are told.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from modelwright.app.deploying.edges import CERTIFICATES, SHOWN
from modelwright.app.keeper.relay import SOCKET
from modelwright.app.keeper.serving import serve

_EVERYBODY, _READERS = 0o1777, 0o755

state, edge, instances = (Path(folder) for folder in sys.argv[1:])
edge.chmod(_EVERYBODY)  # the edge has its sockets there, whoever its user is
instances.chmod(_READERS)
Path(SOCKET).unlink(missing_ok=True)
for name in (CERTIFICATES, SHOWN):  # ours from the start: the edge, whose user may write there, cannot make them
    (edge / name).mkdir(exist_ok=True)
os.umask(0o077)
asyncio.run(serve(state, edge, instances=instances, socket=Path(SOCKET)))
