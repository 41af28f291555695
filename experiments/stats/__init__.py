"""Statistics of experiments and bandits. Pure: numpy and scipy, no Django; usable without a database."""
