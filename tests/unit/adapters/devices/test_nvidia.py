"""NVIDIA's GPUs from what `nvidia-smi` prints and CUDA_VISIBLE_DEVICES says."""

from pathlib import Path

import pytest

from modelwright.adapters.devices.nvidia import nvidia_gpus, read_table, visible_of
from modelwright.core.resources.machine import Gpu

PRINTED = "GPU-1111-aa, 81559\nGPU-1222-bb, 81559\nGPU-3333-cc, [N/A]\nsomething else\n"
A, B = (Gpu(id=name, memory=81559 << 20) for name in ("GPU-1111-aa", "GPU-1222-bb"))
C = Gpu(id="GPU-3333-cc")


def test_a_line_is_a_gpu() -> None:
    assert read_table(PRINTED) == (A, B, C)
    assert read_table("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.") == ()


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        (None, (A, B, C)),
        ("", ()),
        ("-1", ()),
        ("void", ()),
        ("1,0", (B, A)),
        (" 2 , 0", (C, A)),
        ("0,7,1", (A,)),
        ("0,-1,1", (A,)),
        ("0,0", (A,)),
        ("GPU-1222,GPU-3", (B, C)),
        ("GPU-1", ()),
        ("MIG-7,0", (Gpu(id="MIG-7"), A)),
    ],
)
def test_a_process_sees_what_the_variable_names_up_to_the_first_that_is_none(
    visible: str | None, found: tuple[Gpu, ...]
) -> None:
    assert visible_of((A, B, C), visible) == found


def program(folder: Path, text: str) -> None:
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "nvidia-smi").chmod(0o700)


def test_the_program_is_asked_where_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program(tmp_path, f"printf '{PRINTED[:-1]}'")
    assert nvidia_gpus(None) == (A, B, C)
    assert nvidia_gpus("1") == (B,)
    program(tmp_path, "echo GPU-1, 1; exit 9")
    assert nvidia_gpus(None) == (), "its driver does not answer"


def test_without_the_program_the_variable_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_gpus(None) == ()
    assert nvidia_gpus("0,2,none,3") == (Gpu(id="0"), Gpu(id="2"))
