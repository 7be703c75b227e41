"""The Edge TPU family: its array, its operators, its compiler and its compiled files."""
