"""Variables that keep thread pools small and asleep, and freed memory for the next body."""

from modelwright.app.supervise.budget import with_heap, within_budget


def test_a_worker_has_its_threads_and_no_spinning_whatever_the_machine_says() -> None:
    found = within_budget({"PATH": "/bin", "OMP_NUM_THREADS": "64", "OMP_WAIT_POLICY": "ACTIVE"}, 2)
    assert found["PATH"] == "/bin"
    assert {found[f"{name}_NUM_THREADS"] for name in ("OMP", "OPENBLAS", "MKL")} == {"2"}
    assert (found["OMP_WAIT_POLICY"], found["KMP_BLOCKTIME"]) == ("PASSIVE", "0")


def test_a_worker_keeps_freed_memory_unless_the_machine_says_otherwise() -> None:
    assert int(with_heap({})["MALLOC_TRIM_THRESHOLD_"]) > int(with_heap({})["MALLOC_MMAP_THRESHOLD_"]) > 1 << 20
    found = with_heap({"PATH": "/bin", "MALLOC_TRIM_THRESHOLD_": "131072"})
    assert (found["PATH"], found["MALLOC_TRIM_THRESHOLD_"]) == ("/bin", "131072")
