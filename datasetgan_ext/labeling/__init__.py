"""The labelling page: what is labelled, the server, suggestions, and what to label next."""
