"""genus: name every picture."""
