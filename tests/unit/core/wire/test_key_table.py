"""A table of many keys."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.contracts.snapshot import Key
from modelwright.core.wire.key_table import KeyTable, KeyTableWriter


def key(number: int, *, tenant: str = "t", endpoints: tuple[str, ...] = (), expires: float | None = None) -> Key:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return Key(id=f"{number:08}", digest=digest, tenant=tenant, endpoints=endpoints, expires=expires)


def table(keys: list[Key], *, mark: int = 7) -> bytes:
    writer = KeyTableWriter(count=len(keys), mark=mark)
    ordered = sorted(keys, key=lambda each: each.digest)
    middle = len(ordered) // 2
    return writer.head + writer.records(ordered[:middle]) + writer.records(ordered[middle:]) + writer.rights()


KEYS = st.lists(
    st.builds(
        key,
        st.integers(0, 10_000),
        tenant=st.sampled_from(["a", "shop-7"]),
        endpoints=st.sampled_from([(), ("chat",), ("chat", "digits")]),
        expires=st.one_of(st.none(), st.floats(0, 9e9)),
    ),
    unique_by=lambda each: each.digest,
    max_size=40,
)


@given(KEYS, st.integers(10_001, 99_999))
def test_every_key_is_found_as_it_was_and_no_other(keys: list[Key], stranger: int) -> None:
    found = KeyTable(table(keys))
    assert (len(found), found.mark) == (len(keys), 7)
    assert [found.get(each.digest) for each in keys] == keys
    for digest in (key(stranger).digest, "00" * 32, "ff" * 32):
        assert found.get(digest) is None


def test_what_is_no_table_is_refused() -> None:
    whole = table([key(number) for number in range(3)])
    for broken in (b"", b"x" * 100, whole[:20], whole[:90], whole.replace(b"mw-keys", b"mw-kex", 1)):
        with pytest.raises(ValueError, match=r"short|version"):
            KeyTable(broken)


def test_keys_out_of_order_too_many_or_too_few_are_refused() -> None:
    one, other = sorted((key(1), key(2)), key=lambda each: each.digest)
    for keys, count in (([other, one], 2), ([one, one], 2), ([one, other], 1), ([one], 2)):
        writer = KeyTableWriter(count=count, mark=0)
        with pytest.raises(ValueError, match=r"sorted|missing|more keys"):
            _ = writer.records(keys) + writer.rights()
