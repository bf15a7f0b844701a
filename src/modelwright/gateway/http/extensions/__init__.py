"""Extensions of the V2 protocol that are no calls: the repository's."""
