"""A call in, a chain of policies, a route, a stream out, a ledger row; it never knows a vendor's dialect."""
