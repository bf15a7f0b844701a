"""All state of a site in one encrypted file, and back."""
