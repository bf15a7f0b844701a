"""Translation between the wires of language models, with chat completions as the form in the middle."""
