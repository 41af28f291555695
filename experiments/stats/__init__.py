"""Statistics of experiments and bandits. Pure: numpy only, no Django; usable from a notebook without a database."""
