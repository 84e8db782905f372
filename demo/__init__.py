"""Demonstration data of the mesh and the programs that make it."""
