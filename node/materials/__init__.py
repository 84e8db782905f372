"""Tables for others: which versions they show, and that they follow."""
