"""Extensions of the V2 wire."""
