"""Runs the back end: python -m knowledge_base. It listens on HOST (127.0.0.1) and PORT (8080)."""

import os
import signal
import sys

import uvicorn

from knowledge_base.app import create

GRACE = 30
"""Seconds that streams have to end once it was asked to stop."""


def main() -> None:
    """Until SIGTERM or SIGINT; then it ends what it has begun, and exits with 0."""
    try:
        app = create()
    except ValueError as error:
        sys.exit(str(error))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # which uvicorn raises once more when it has ended
    uvicorn.run(
        app,
        host=os.environ.get("HOST", "127.0.0.1"),
        port=int(os.environ.get("PORT", "8080")),
        timeout_graceful_shutdown=GRACE,
        access_log=False,
    )


if __name__ == "__main__":
    main()
