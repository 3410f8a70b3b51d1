"""How long the next window of a text is to be: what steps cost, what is accepted, and what follows from both."""
