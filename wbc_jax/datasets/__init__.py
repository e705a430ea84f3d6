"""What exists: one TFDS builder folder per data set, their catalogue, and how they are prepared."""
