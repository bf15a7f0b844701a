"""Values, errors, ports and pure rules that every room shares; no I/O and no third party but msgspec."""
