"""Everything that touches a generator: find upstream, load a checkpoint safely, hooks, latents, samples to label."""
