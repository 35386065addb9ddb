"""Pure. From a frozen audience to outcomes: who gets a mailing, in which order, what becomes of each place."""
