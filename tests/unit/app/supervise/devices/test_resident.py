"""How much memory real processes hold, together with their children."""

import subprocess
import sys

from modelwright.app.supervise.devices.resident import family, held_by

MIB = 1 << 20
HOLDER = "import sys; held = b'x' * (int(sys.argv[1]) << 20); print(len(held), flush=True); sys.stdin.read()"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, '-c', {HOLDER!r}, '64'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
child.communicate()
"""


def test_what_a_child_holds_counts() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert [*family(parent.pid)] == [parent.pid, child]
        alone, both = held_by(child, enough=1 << 40), held_by(parent.pid, enough=1 << 40)
        assert 64 * MIB < alone < both < 256 * MIB
        exact = held_by(parent.pid, enough=1)
        assert 64 * MIB < exact <= both, "pages that they share count once"
        parent.communicate("")
    assert held_by(parent.pid, enough=1) == 0
