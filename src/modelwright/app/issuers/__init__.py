"""Issuers of tokens: control reads their public keys and puts them into the snapshot."""
