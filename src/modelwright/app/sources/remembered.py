"""What sources meant when they were last asked: a start goes on by it while they do not answer."""

from __future__ import annotations

from pathlib import Path

import msgspec

from modelwright.app.whole_file import write_whole

FILE = "remembered.json"
_MOST = 1000


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """What one source meant."""

    digest: str
    version: str = ""
    main: str = ""
    """Of a folder that is a model's file with its companions: that file."""
    mark: str = ""
    """Of S3: the object's, which is another one when its content is."""


class Remembered:
    """In one file of the state directory."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    def get(self, source: str) -> Meaning | None:
        """None when it was never asked, or the file cannot be read."""
        return self._known().get(source)

    def keep(self, source: str, meaning: Meaning) -> None:
        """From now on; raises OSError."""
        known = self._known()
        if known.get(source) == meaning:
            return
        known.pop(source, None)
        newest = dict(list({**known, source: meaning}.items())[-_MOST:])
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._file, msgspec.json.encode(newest))

    def _known(self) -> dict[str, Meaning]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, Meaning])
        except (OSError, msgspec.MsgspecError):
            return {}
