"""Pure. The people who receive the newsletter: which addresses are fit to send to, and the lists they come in."""
