"""One question, many nodes: filter, plan, prune, fan out, merge, completeness, explain."""
