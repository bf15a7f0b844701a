"""Questions about a folder of documents, answered from their passages."""
