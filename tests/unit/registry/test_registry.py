import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.adapters.stores.memory_registry import MemoryRegistryStore
from modelwright.core.errors.registry import (
    AliasHasMoved,
    NotRegistered,
    RegistryError,
    VersionInUse,
    VersionTaken,
)
from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.registry import ALIAS, REMOVED, VERSION, Entry
from modelwright.registry.line import line_of
from modelwright.registry.registry import LARGEST, By, Registry, digest_of

ME = By("user:me", "it is better")


class Racing(MemoryRegistryStore):
    """Somebody else adds an entry just before each of the next appends."""

    def __init__(self, others: list[Entry]) -> None:
        super().__init__()
        self.others = others

    async def append(self, kind: str, name: str, entry: Entry, *, after: int, content: bytes | None = None) -> bool:
        if self.others and after:
            await super().append(kind, name, self.others.pop(0), after=after)
        return await super().append(kind, name, entry, after=after, content=content)


def registry(store: MemoryRegistryStore | None = None) -> Registry:
    clock = ManualClock()
    return Registry("prompt", store=store or MemoryRegistryStore(), clock=clock)


async def two_versions(store: MemoryRegistryStore | None = None) -> Registry:
    known = registry(store)
    await known.put("support", "v1", b"one", by=ME)
    await known.put("support", "v2", b"two", by=ME)
    return known


async def test_a_version_is_found_by_its_name_and_by_its_digest() -> None:
    known = await two_versions()
    found = await known.find("support", "v1")
    assert (found.version, found.digest) == ("v1", digest_of(b"one"))
    assert await known.find("support", found.digest) == found
    assert await known.content(found.digest) == b"one"
    assert list((await known.line("support")).versions) == ["v1", "v2"]
    assert await known.names() == ("support",)


async def test_the_same_content_again_changes_nothing() -> None:
    known = await two_versions()
    await known.put("support", "v1", b"one", by=By("user:other", "again"))
    assert len((await known.line("support")).history) == 2


async def test_a_version_never_changes() -> None:
    known = await two_versions()
    with pytest.raises(VersionTaken, match="other content") as refused:
        await known.put("support", "v1", b"uno", by=ME)
    assert "new version" in refused.value.hint
    assert (await known.find("support", "v1")).digest == digest_of(b"one")


async def test_a_revised_version_keeps_its_history() -> None:
    known = await two_versions()
    await known.put("support", "v1", b"uno", by=ME, revise=True)
    assert (await known.find("support", "v1")).digest == digest_of(b"uno")
    assert (await known.find("support", digest_of(b"one"))).version == "v1"
    last = (await known.line("support")).history[-1]
    assert (last.act, last.name, last.was, last.to) == (VERSION, "v1", digest_of(b"one"), digest_of(b"uno"))


async def test_an_alias_moves_and_its_history_says_who_when_from_to_and_why() -> None:
    known = await two_versions()
    made = await known.alias("support", "live", "v1", by=ME)
    moved = await known.alias("support", "live", "v2", by=By("key:abc", "v2 is better"), expect="v1")
    assert made is not None
    assert moved is not None
    assert (made.act, made.was, made.to) == (ALIAS, "", "v1")
    assert (moved.who, moved.was, moved.to, moved.why) == ("key:abc", "v1", "v2", "v2 is better")
    assert (await known.find("support", "live")).version == "v2"
    assert (await known.line("support")).history[-2:] == (made, moved)


async def test_an_alias_that_means_it_already_stays_without_a_line() -> None:
    known = await two_versions()
    await known.alias("support", "live", "v1", by=ME)
    assert await known.alias("support", "live", "v1", by=ME) is None


@pytest.mark.parametrize(("expect", "told"), [("v2", "means v1, not v2"), ("", "means v1, not nothing")])
async def test_an_alias_moves_only_from_where_it_was_thought_to_be(expect: str, told: str) -> None:
    known = await two_versions()
    await known.alias("support", "live", "v1", by=ME)
    with pytest.raises(AliasHasMoved, match=told):
        await known.alias("support", "live", "v2", by=ME, expect=expect)
    with pytest.raises(AliasHasMoved, match="does not exist, not v1"):
        await known.alias("support", "other", "v2", by=ME, expect="v1")


async def test_of_two_moves_with_the_same_expectation_one_wins() -> None:
    known = await two_versions()
    await known.put("support", "v3", b"three", by=ME)
    await known.alias("support", "live", "v1", by=ME)
    tries = [known.alias("support", "live", to, by=ME, expect="v1") for to in ("v2", "v3")]
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, AliasHasMoved) for one in done) == 1
    assert sum(isinstance(one, Entry) for one in done) == 1


async def test_a_move_is_decided_again_when_somebody_came_first() -> None:
    other = Entry(act=ALIAS, name="live", to="v2", was="v1", who="user:other", why="first", at=1.0)
    store = Racing([])
    known = await two_versions(store)
    await known.alias("support", "live", "v1", by=ME)
    store.others = [other]
    with pytest.raises(AliasHasMoved, match="means v2, not v1"):
        await known.alias("support", "live", "v2", by=ME, expect="v1")
    store.others = [other] * 60
    with pytest.raises(RegistryError, match="all the time"):
        await known.alias("support", "live", "v1", by=ME)


async def test_what_is_not_there_is_said_with_what_is_near() -> None:
    known = await two_versions()
    with pytest.raises(NotRegistered, match="there is no prompt 'suport'") as name:
        await known.line("suport")
    assert name.value.hint == "did you mean support?"
    with pytest.raises(NotRegistered, match="no version and no alias 'zzz'") as word:
        await known.find("support", "zzz")
    assert word.value.hint == "known: v1, v2"
    with pytest.raises(NotRegistered, match="no version 'v3'"):
        await known.alias("support", "live", "v3", by=ME)
    with pytest.raises(NotRegistered):
        await known.find("support", "sha256:" + "0" * 64)


@pytest.mark.parametrize("name", ["", "Support", "a/b", "-a", "a" * 64, "../a", "a\n"])
async def test_a_name_is_a_dns_label(name: str) -> None:
    with pytest.raises(RegistryError):
        await registry().put(name, "v1", b"x", by=ME)


@pytest.mark.parametrize("word", ["", "a b", "sha256:00", "a@b", ".hidden", "v1\n", "v" * 65])
async def test_a_version_and_an_alias_are_plain_words(word: str) -> None:
    known = await two_versions()
    with pytest.raises(RegistryError):
        await known.put("support", word, b"x", by=ME)
    with pytest.raises(RegistryError):
        await known.alias("support", word, "v1", by=ME)


async def test_a_word_is_a_version_or_an_alias_never_both() -> None:
    known = await two_versions()
    await known.alias("support", "live", "v1", by=ME)
    with pytest.raises(VersionTaken, match="alias"):
        await known.put("support", "live", b"x", by=ME)
    with pytest.raises(RegistryError, match="is a version"):
        await known.alias("support", "v1", "v2", by=ME)


@pytest.mark.parametrize("why", ["", "  ", "two\nlines", "x" * 1001, "bell\a"])
async def test_a_reason_is_one_line(why: str) -> None:
    known = await two_versions()
    with pytest.raises(RegistryError, match="reason"):
        await known.alias("support", "live", "v1", by=By("user:me", why))


async def test_a_document_is_bounded() -> None:
    with pytest.raises(RegistryError, match="larger than 1 MiB"):
        await registry().put("support", "v1", bytes(LARGEST + 1), by=ME)


async def test_a_damaged_document_is_refused() -> None:
    store = MemoryRegistryStore()
    entry = Entry(act=VERSION, name="v1", to=digest_of(b"whole"), who="user:me", why="x", at=1.0)
    await store.append("prompt", "support", entry, after=0, content=b"half")
    with pytest.raises(RegistryError, match="damaged"):
        await registry(store).content(digest_of(b"whole"))


WORDS = st.sampled_from(["v1", "v2", "v3", "live", "next"])


@given(st.lists(st.tuples(st.booleans(), WORDS, WORDS), max_size=30))
def test_a_line_always_agrees_with_its_history(acts: list[tuple[bool, str, str]]) -> None:
    """Whatever is tried, every alias means a version, and each entry's `was` is what the one before said."""

    async def play() -> None:
        store = MemoryRegistryStore()
        known = registry(store)
        for is_version, one, other in acts:
            try:
                if is_version:
                    await known.put("support", one, other.encode(), by=ME)
                else:
                    await known.alias("support", one, other, by=ME)
            except RegistryError:
                continue
        line = line_of("support", await store.read("prompt", "support"))
        assert set(line.aliases.values()) <= set(line.versions)
        assert not set(line.aliases) & set(line.versions)
        now: dict[tuple[str, str], str] = {}
        for entry in line.history:
            assert entry.was == now.get((entry.act, entry.name), "")
            now[entry.act, entry.name] = entry.to

    asyncio.run(play())


async def test_a_removed_version_is_gone_and_its_history_stays() -> None:
    known = await two_versions()
    entry = await known.remove("support", "v1", by=By("user:me", "it is wrong"))
    assert (entry.act, entry.name, entry.to, entry.was) == (REMOVED, "v1", "", digest_of(b"one"))
    line = await known.line("support")
    assert (list(line.versions), list(line.removed)) == (["v2"], ["v1"])
    assert [each.act for each in line.history] == [VERSION, VERSION, REMOVED]
    for word in ("v1", digest_of(b"one")):
        with pytest.raises(NotRegistered):
            await known.find("support", word)
    with pytest.raises(NotRegistered, match="no version 'v1'"):
        await known.remove("support", "v1", by=ME)
    with pytest.raises(VersionTaken, match="was removed, and had other content"):
        await known.put("support", "v1", b"three", by=ME)
    await known.put("support", "v1", b"one", by=ME)
    assert (await known.find("support", "v1")).digest == digest_of(b"one")
    assert not (await known.line("support")).removed


async def test_the_digest_of_a_removed_version_is_another_one_s_still() -> None:
    known = await two_versions()
    await known.put("support", "v3", b"one", by=ME)
    await known.remove("support", "v1", by=ME)
    assert (await known.find("support", digest_of(b"one"))).name == "support"


async def test_what_is_held_is_not_removed() -> None:
    known = await two_versions()
    await known.alias("support", "live", "v1", by=ME)
    with pytest.raises(VersionInUse, match=r"support@v1 is held by the alias live, the model chat .let them go first"):
        await known.remove("support", "v1", by=ME, holders=lambda digest: [f"the model {'chat' * bool(digest)}"])
    await known.alias("support", "live", "v2", by=ME)
    await known.remove("support", "v1", by=ME)


async def test_an_alias_that_comes_first_holds_it() -> None:
    moved = Entry(act=ALIAS, name="live", to="v1", who="other", why="now", at=1.0)
    store = Racing([moved])
    known = registry(store)
    store.others = []
    await known.put("support", "v1", b"one", by=ME)
    store.others = [moved]
    with pytest.raises(VersionInUse, match="held by the alias live"):
        await known.remove("support", "v1", by=ME)
