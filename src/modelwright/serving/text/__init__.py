"""A text model on its way: a request's parameters, its tokens, the loop that advances all of them, and its text."""
