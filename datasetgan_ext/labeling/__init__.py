"""The labelling page: what is labelled, the server, and suggestions by an interpreter that learns meanwhile."""
