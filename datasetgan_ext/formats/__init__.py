"""One file a format, reading and writing: labels of the labelling tools, datasets for trainers."""
