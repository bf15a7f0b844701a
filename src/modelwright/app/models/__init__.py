"""Models in the registry: their files into the store of blobs, their documents into the database, and back."""
