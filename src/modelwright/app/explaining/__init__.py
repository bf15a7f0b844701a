"""`modelwright explain`: what becomes of a call, and why."""
