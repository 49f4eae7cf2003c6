"""Networks trained on labelled images: what they read, how they learn, how they are scored."""
