"""Other servers under the same load in the same run, each in an environment of its own."""
