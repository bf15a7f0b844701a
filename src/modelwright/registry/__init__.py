"""Named lines of immutable versions, aliases that move, and a history of both; it knows no kind of artifact."""
