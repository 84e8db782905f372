"""Execution of plans: member streams, merging, outcomes."""
