"""Who gets which arm, and what a design can find: pure, so that a draw can be repeated by whoever has the salt."""
