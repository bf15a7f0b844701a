"""What steps of a pipeline need from other people's libraries."""
