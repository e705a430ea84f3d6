"""Which pictures show the same thing: key points, and where each augmented copy came from."""
