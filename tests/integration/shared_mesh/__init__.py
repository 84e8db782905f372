"""Tests that change nothing of the mesh that they share: one process runs them all, and it ends with the last."""
