"""BCCD: photographs of blood smears with a box around every annotated cell."""
