"""Lists the repository's files for the house tests; it judges nothing."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "modelwright"


def modules(room: str = "") -> list[Path]:
    """Python modules of a room (or of the whole package), relative to the repository."""
    return sorted(path.relative_to(ROOT) for path in (SOURCE / room).rglob("*.py"))


def programs() -> list[Path]:
    """Every Python file of the repository, relative to it."""
    return [path for path in committed() if path.suffix == ".py"]


def committed() -> list[Path]:
    """Files that git keeps or would keep, relative to the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = {Path(name.decode()) for name in listed.stdout.split(b"\0") if name}
    return sorted(path for path in paths if (ROOT / path).is_file())
