"""Short-lived tokens for the admin door: OAuth2 client credentials, and tokens of the manifest's issuers."""
