"""Tests that share one etcd: one process runs them all, and it ends with the last."""
