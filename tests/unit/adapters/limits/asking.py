"""Asks of limits for tests."""

from modelwright.core.contracts.snapshot import Limit
from modelwright.core.limits import Ask, Rule, zone_of


def rule(of: str, amount: int, per: str = "", by: str = "key") -> Rule:
    """A limit, ready to be asked."""
    return Rule(Limit(by=by, of=of, amount=amount, per=per), zone_of("UTC"))


def ask(of: str, amount: int, *, limit: int, per: str = "", subject: str = "a", by: str = "key") -> Ask:
    """What a call wants of a limit."""
    return Ask(rule(of, limit, per, by), subject, amount)
