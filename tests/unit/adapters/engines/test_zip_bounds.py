"""Hostile zip archives: crowded ones are not listed, those that become huge are not unpacked, whatever they state."""

import io
import json
import struct
import zipfile
from pathlib import Path

import pytest
import skops.io

from modelwright.adapters.engines.sklearn import SklearnEngine
from modelwright.adapters.engines.skops_file import check_skops
from modelwright.adapters.engines.zip_bounds import FREE, MOST_MEMBERS, CrowdedArchive, open_zip
from modelwright.core.errors.starting import BadModelFile
from modelwright.core.ports.engines import EngineConfig
from tests.making.trained_models import sklearn_irises

ENTRY = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"m"
LOCAL = b"PK\x03\x04" + bytes(26)


def crowded(count: int, *, stated: int, wide: bool) -> bytes:
    """An archive of so many members of nothing; `wide` is its form for more than 65,535."""
    directory = ENTRY * count
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, stated, stated, len(directory), len(LOCAL), 0)
    if not wide:
        return LOCAL + directory + end
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, stated, stated, len(directory), len(LOCAL))
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(LOCAL) + len(directory), 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return LOCAL + directory + record + locator + end


@pytest.mark.parametrize("wide", [False, True])
def test_an_archive_is_not_listed_when_it_is_crowded_whatever_it_states(*, wide: bool) -> None:
    for stated in (1, 60_000):
        with pytest.raises(CrowdedArchive, match="300000 members, at most 50000"):
            open_zip(io.BytesIO(crowded(300_000, stated=stated, wide=wide)))
    assert len(open_zip(io.BytesIO(crowded(20, stated=20, wide=wide))).namelist()) == 20


def test_a_list_without_end_is_not_read() -> None:
    long = (ENTRY[:-1].replace(b"\x01\0\0\0\0\0", b"\x01\0\xff\xff\0\0", 1) + b"m" + bytes(0xFFFF)) * 600
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 600, 600, len(long), len(LOCAL), 0)
    with pytest.raises(CrowdedArchive, match="list of members has"):
        open_zip(io.BytesIO(LOCAL + long + end))


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", LOCAL, LOCAL + b"PK\x05\x06" + bytes(18)[:9]])
def test_what_is_no_archive_is_told_so(content: bytes) -> None:
    with pytest.raises(ValueError, match="directory"):
        open_zip(io.BytesIO(content))


def bombs(folder: Path) -> dict[str, Path]:
    """skops files that are small and become large: by zeros, by one part that is read again and again, from within."""
    made = sklearn_irises(folder / "m.skops").path
    with zipfile.ZipFile(made) as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    schema, array = json.loads(whole["schema.json"]), next(name for name in whole if name.endswith(".npy"))
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("data.npy", bytes(FREE))
    parts = {
        "zeros": whole | {"more.npy": bytes(FREE)},
        "again": whole
        | {array: bytes(FREE // 20), "schema.json": json.dumps([schema, *[{"file": array}] * 25]).encode()},
        "within": whole | {"more.npz": inner.getvalue()},
    }
    for name, members in parts.items():
        with zipfile.ZipFile(folder / f"{name}.skops", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for member, content in members.items():
                archive.writestr(member, content)
    return {name: folder / f"{name}.skops" for name in parts}


def test_a_skops_file_that_would_become_huge_is_not_unpacked(tmp_path: Path) -> None:
    for path in bombs(tmp_path).values():
        with pytest.raises(BadModelFile, match=r"its \d+ bytes would become \d+, at most 67108864") as caught:
            SklearnEngine().load(EngineConfig(model="m", path=str(path)))
        assert str(path) in caught.value.message
        assert "save_sklearn" in caught.value.hint
        assert path.stat().st_size < FREE // 100


def test_a_skops_file_that_is_compressed_is_loaded(tmp_path: Path) -> None:
    model = skops.io.load(sklearn_irises(tmp_path / "m.skops").path)
    skops.io.dump(model, tmp_path / "small.skops", compression=zipfile.ZIP_DEFLATED, compresslevel=9)
    assert SklearnEngine().load(EngineConfig(model="m", path=str(tmp_path / "small.skops"))).outputs


def test_a_skops_file_without_a_part_or_of_other_words_is_damaged(tmp_path: Path) -> None:
    made = sklearn_irises(tmp_path / "m.skops").path
    with zipfile.ZipFile(made) as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    array = next(name for name in whole if name.endswith(".npy"))
    for members, told in (
        ({name: content for name, content in whole.items() if name != array}, "it lacks"),
        (whole | {"schema.json": b"{"}, "no JSON"),
        (whole | {"schema.json": b"[" * 100_000}, "no JSON"),
        ({"a": b""}, "holds no schema.json"),
    ):
        with zipfile.ZipFile(made, "w") as archive:
            for member, content in members.items():
                archive.writestr(member, content)
        with pytest.raises(ValueError, match=told):
            check_skops(made)


def test_the_most_members_are_listed() -> None:
    assert len(open_zip(io.BytesIO(crowded(MOST_MEMBERS, stated=1, wide=False))).namelist()) == MOST_MEMBERS
