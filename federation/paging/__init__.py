"""Pages of a retrieval: their order, what comes after a row, and the token that leads from one to the next."""
