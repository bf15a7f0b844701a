"""What is fetched in these tests, and by whom."""

import hashlib
import os
from collections.abc import Callable

from modelwright.app.sources.sources import Sources

CONTENT = os.urandom(3 << 20)
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
OTHER = f"sha256:{hashlib.sha256(b'other').hexdigest()}"
Make = Callable[..., Sources]
