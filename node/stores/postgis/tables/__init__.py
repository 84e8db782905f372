"""Business tables of an operator's database, read out of one snapshot; nothing is ever written there."""
