"""The rules of injection in one: of every language; made once somebody asks for them, since that takes a while."""

from __future__ import annotations

from functools import cache

from modelwright.guards.injection.chinese import CHINESE, MARKS
from modelwright.guards.injection.disguise import BACKWARDS, ROT13
from modelwright.guards.injection.english import ENGLISH
from modelwright.guards.injection.forms import Rules


@cache
def rules() -> Rules:
    """All of them."""
    return Rules(MARKS, ENGLISH, CHINESE, besides=ROT13 | BACKWARDS)
