"""The Style Interpreter: hypercolumns, the ensemble, its training, exact fused inference, and the labeler."""
