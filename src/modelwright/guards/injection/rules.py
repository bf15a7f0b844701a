"""The rules of injection in one: of every language."""

from __future__ import annotations

from modelwright.guards.injection.chinese import CHINESE, MARKS
from modelwright.guards.injection.disguise import BACKWARDS, ROT13
from modelwright.guards.injection.english import ENGLISH
from modelwright.guards.injection.forms import Rules

RULES = Rules(MARKS, ENGLISH, CHINESE, besides=ROT13 | BACKWARDS)
