"""Everything that touches a generator: find upstream, load a checkpoint safely, hooks, latents from seeds."""
