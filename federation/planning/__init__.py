"""Plans: who is asked, who is pruned and why."""
