"""Closed loops of constant times as a compiled state machine (extra ``fast``); SimPy stays the reference."""
