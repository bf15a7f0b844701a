"""The admin door: keys, ledger, status and metrics of one installation."""
