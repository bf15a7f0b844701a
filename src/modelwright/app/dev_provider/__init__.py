"""An OpenAI-compatible upstream for tests: same request, same answer, and faults on demand."""
