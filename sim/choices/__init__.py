"""What could be changed about a set-up, and what of that can be had."""
