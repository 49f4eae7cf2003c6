"""Hand labels in: the task, one module per label format, samples and labels paired and checked."""
