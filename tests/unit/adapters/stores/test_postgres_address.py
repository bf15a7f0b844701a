"""Addresses of PostgreSQL as people write them: read as libpq reads them, refused in words that show nothing."""

import pytest

from modelwright.adapters.stores.postgres_address import has_password, read_address
from modelwright.core.errors.starting import StartError


@pytest.mark.parametrize(
    ("text", "hosts", "user", "password", "database"),
    [
        ("postgresql://u:p@h:6432/d", (("h", 6432),), "u", "p", "d"),
        ("postgres://u@h/d", (("h", 5432),), "u", None, "d"),
        ("postgresql+asyncpg://u:p@h/d", (("h", 5432),), "u", "p", "d"),
        ("postgresql://u:%2F%40%3A%23@h/d%20e", (("h", 5432),), "u", "/@:#", "d e"),
        ("postgresql://[::1]:5433/d", (("::1", 5433),), None, None, "d"),
        ("postgresql://[::1]/d", (("::1", 5432),), None, None, "d"),
        ("postgresql:///d?host=/run/postgresql&user=u&password=p", (("/run/postgresql", 5432),), "u", "p", "d"),
        ("postgresql://%2Frun%2Fpg/d", (("/run/pg", 5432),), None, None, "d"),
        ("postgresql://a:1,b:2/d", (("a", 1), ("b", 2)), None, None, "d"),
        ("postgresql:///?host=a,b&port=1,2&dbname=d", (("a", 1), ("b", 2)), None, None, "d"),
        ("postgresql://", (("localhost", 5432),), None, None, None),
    ],
)
def test_reads(text: str, *, hosts: object, user: str | None, password: str | None, database: str | None) -> None:
    address = read_address(text)
    assert (address.hosts, address.user, address.password, address.database) == (hosts, user, password, database)


def test_reads_parameters() -> None:
    address = read_address(
        "postgres://h/d?sslmode=verify-full&sslrootcert=ca.pem&options=-csearch_path%3Dother%20-c%20work_mem%3D8MB"
        "&connect_timeout=3&application_name=mine&channel_binding=prefer"
    )
    assert (address.mode, address.files, address.schema, address.within) == (
        "verify-full", {"sslrootcert": "ca.pem"}, "other", 3.0,
    )  # fmt: skip
    assert address.settings == {"application_name": "mine", "search_path": "other", "work_mem": "8MB"}
    assert read_address("postgres://a,b/d").attributes == "read-write"
    assert read_address("postgres://a/d").attributes == "any"
    assert read_address("postgres://a/d").schema == "modelwright"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("mysql://u:hunter2@h/d", "is no address of PostgreSQL"),
        ("hunter2", "is no address of PostgreSQL"),
        ("postgres://u:hunter2/x@h/d", "names no port"),
        ("postgres://u:hunter2#x@h/d", "holds a #"),
        ("postgres://u:hunter2@x@h/d", "more than one @"),
        ("postgres://u:hunter2@h:0/d", "names no port"),
        ("postgres://u:hunter2@h/d?sslmod=require", "a parameter 'sslmod'"),
        ("postgres://u:hunter2@h/d?sslmode=yes", "an unknown sslmode"),
        ("postgres://u:hunter2@h/d?connect_timeout=soon", "connect_timeout"),
        ("postgres://u:hunter2@h/d?channel_binding=require", "channel_binding=require"),
        ("postgres://u:hunter2@h/d?options=-x", "options that cannot be read"),
        ("postgres://u:hunter2@h/d?options=%27", "options that cannot be read"),
        ("postgres://u:hunter2@[h/d", "cannot be read"),
    ],
)
def test_refuses_without_showing_it(text: str, problem: str) -> None:
    with pytest.raises(StartError, match=problem) as refused:
        read_address(text)
    assert refused.value.hint
    assert (refused.value.place, "hunter2" in str(refused.value)) == ("store.database", False)


def test_sees_a_password_wherever_it_stands() -> None:
    assert has_password("postgres://u:p@h/d")
    assert has_password("postgres://h/d?password=p")
    assert has_password("postgres://u:p@[h/d")
    assert not has_password("postgres://u@h/d")
