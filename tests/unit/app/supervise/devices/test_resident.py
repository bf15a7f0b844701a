"""How much memory real processes hold, together with their children."""

import subprocess
import sys

from modelwright.app.supervise.devices.resident import Scale, family

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
FORKED = """
import os, sys
held = [b'x' * (64 << 20)]
reads, writes = os.pipe()
if os.fork() == 0:
    os.close(writes)
    os.read(reads, 1)
    os._exit(0)
os.close(reads)
print('ready', flush=True)
sys.stdin.readline()
held.append(b'x' * (64 << 20))
print('grown', flush=True)
sys.stdin.read()
"""


def test_what_a_child_holds_counts() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert [*family(parent.pid)] == [parent.pid, child]
        large, small = Scale(1 << 40), Scale(MIB)
        alone, both = large.held_by(child), large.held_by(parent.pid)
        assert 64 * MIB < alone < both < 256 * MIB
        exact = small.held_by(parent.pid)
        assert 64 * MIB < exact <= both, "pages that they share count once"
        parent.communicate("")
    assert small.held_by(parent.pid) == 0


def test_an_exact_look_that_was_fine_is_believed_until_the_process_has_grown() -> None:
    """Two processes share most of what they have: the cheap sum is above the bound, the exact one is not."""
    with subprocess.Popen(
        [sys.executable, "-c", FORKED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        parent.stdout.readline()
        bound = 100 * MIB + Scale(1).held_by(parent.pid) - 64 * MIB
        scale = Scale(bound)
        assert scale.held_by(parent.pid) <= bound < Scale(1 << 40).held_by(parent.pid)
        assert scale.held_by(parent.pid) <= bound
        assert parent.stdin
        parent.stdin.write("grow\n")
        parent.stdin.flush()
        parent.stdout.readline()
        assert scale.held_by(parent.pid) > bound
        parent.communicate("")
