"""The verbs on API keys, for the admin door and the command line."""
