"""How far an answer can be trusted: intervals, sensitivity to assumed numbers, coverage by measurements."""
