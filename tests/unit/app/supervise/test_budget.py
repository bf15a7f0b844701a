"""Variables that keep thread pools small and asleep."""

from modelwright.app.supervise.budget import within_budget


def test_a_worker_has_its_threads_and_no_spinning_whatever_the_machine_says() -> None:
    found = within_budget({"PATH": "/bin", "OMP_NUM_THREADS": "64", "OMP_WAIT_POLICY": "ACTIVE"}, 2)
    assert found["PATH"] == "/bin"
    assert {found[f"{name}_NUM_THREADS"] for name in ("OMP", "OPENBLAS", "MKL")} == {"2"}
    assert (found["OMP_WAIT_POLICY"], found["KMP_BLOCKTIME"]) == ("PASSIVE", "0")
