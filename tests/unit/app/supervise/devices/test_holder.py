from pathlib import Path

from modelwright.app.supervise.devices.holder import holder_of

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LINE = (
    "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0\n"
)
OTHER = (
    "   1: 0100007F:1F40 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4343 1 0 100 0 0 10 0\n"
)


def make(proc: Path, *, pid: int, comm: str, cmdline: bytes, inode: int) -> None:
    (proc / "net").mkdir(parents=True, exist_ok=True)
    (proc / "net/tcp").write_text(HEAD + OTHER + LINE)
    fd = proc / str(pid) / "fd"
    fd.mkdir(parents=True)
    (fd / "3").symlink_to(f"socket:[{inode}]")
    (proc / str(pid) / "comm").write_text(f"{comm}\n")
    (proc / str(pid) / "cmdline").write_bytes(cmdline)


def test_program_that_listens_is_named(tmp_path: Path) -> None:
    make(tmp_path, pid=12, comm="nginx", cmdline=b"nginx: master\0", inode=4242)
    assert holder_of(8000, proc=tmp_path) == "nginx (pid 12)"


def test_another_modelwright_is_called_so(tmp_path: Path) -> None:
    make(tmp_path, pid=9, comm="python3", cmdline=b"python3\0/venv/bin/modelwright\0up\0", inode=4242)
    assert holder_of(8000, proc=tmp_path) == "another modelwright (pid 9)"


def test_a_mere_connection_on_the_port_is_no_holder(tmp_path: Path) -> None:
    make(tmp_path, pid=12, comm="curl", cmdline=b"curl\0", inode=4343)
    assert holder_of(8000, proc=tmp_path) == ""


def test_nothing_is_known_without_proc(tmp_path: Path) -> None:
    assert holder_of(8000, proc=tmp_path / "none") == ""
