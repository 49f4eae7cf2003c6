"""The Style Interpreter: hypercolumn sampling, the ensemble, its training, and its exact fused inference."""
