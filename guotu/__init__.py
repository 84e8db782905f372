"""guotu (国土): the ground floor that everyone may import."""
