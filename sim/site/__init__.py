"""The simulator as a static page: what builds the folder (``edgetpusim site``), and what its worker answers."""
