"""Reading of layers (source side) and their inspection before anything is written (node side)."""
