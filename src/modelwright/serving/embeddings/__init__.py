"""The OpenAI wire of embeddings in front of a pipeline that makes vectors of texts."""
