"""`python -m modelwright.app.keeper STATE EDGE`: keeps an environment, with its memory and its edge in two folders."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from modelwright.app.deploying.edges import CERTIFICATES, SHOWN
from modelwright.app.keeper.relay import SOCKET
from modelwright.app.keeper.serving import serve

_EVERYBODY = 0o1777

state, edge = (Path(folder) for folder in sys.argv[1:])
edge.chmod(_EVERYBODY)  # the edge has its sockets there, whoever its user is
Path(SOCKET).unlink(missing_ok=True)
for name in (CERTIFICATES, SHOWN):  # ours from the start: the edge, whose user may write there, cannot make them
    (edge / name).mkdir(exist_ok=True)
os.umask(0o077)
asyncio.run(serve(state, edge, socket=Path(SOCKET)))
