"""From a trained state to predictions, and from predictions to numbers."""
