"""Where a dump may be put back."""

from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.app.backups.archive import Head
from modelwright.app.backups.deployed import check, to_come
from modelwright.core.deploying.workloads import Desired, Workload
from modelwright.core.errors.backups import RestoreError
from modelwright.core.ports.deploying.data import Database

VERSIONS = st.integers(13, 20)


def _head(server: int) -> Head:
    return Head(project="kb", environment="test", at=1.0, made_by="1", manifest="m", postgres=True, server=server)


@given(dumped=VERSIONS, server=VERSIONS, tables=st.integers(0, 2), overwrite=st.booleans())
def test_only_an_older_dump_and_nothing_that_is_not_given_up(
    dumped: int, server: int, tables: int, *, overwrite: bool
) -> None:
    database = Database(version=server, tables=tables)
    refused = dumped > server or (tables and not overwrite)
    with pytest.raises(RestoreError) if refused else nullcontext():
        check(_head(dumped), database, project="kb", environment="test", overwrite=overwrite)


def test_what_is_in_the_way_is_named() -> None:
    for database, words in (
        (None, "no PostgreSQL of the target's own runs in production"),
        (Database(version=15, tables=0), "the dump is of PostgreSQL 16, and that of production is 15"),
        (Database(version=16, tables=1), "the database of production holds 1 table already"),
    ):
        with pytest.raises(RestoreError, match=words):
            check(_head(16), database, project="kb", environment="production", overwrite=False)


def test_data_are_not_given_up_for_another_project_s() -> None:
    holds, empty = Database(version=16, tables=1), Database(version=16, tables=0)
    with pytest.raises(RestoreError, match="is of the project kb, and test is of shop"):
        check(_head(16), holds, project="shop", environment="test", overwrite=True)
    check(_head(16), empty, project="shop", environment="test", overwrite=True)


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("postgres:16", 16),
        ("pgvector/pgvector:pg17", 17),
        ("postgres:15.4-bookworm@sha256:00", 15),
        ("registry.example.com:5000/mine", 1000),
    ],
)
def test_what_a_service_will_be_is_known_before_its_volume_is_made(image: str, version: int) -> None:
    service = Workload(name="postgres", kind="service", image=image, port=5432)
    desired = Desired(project="kb", environment="test", workloads=(service,))
    assert to_come(desired) == Database(version=version, tables=0)
    assert to_come(Desired(project="kb", environment="test", workloads=())) is None
