"""Where state is kept: spool, database."""
