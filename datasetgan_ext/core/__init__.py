"""What everyone speaks of: task and class files, annotations, names, seeds, files, errors."""
