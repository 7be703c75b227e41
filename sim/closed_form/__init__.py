"""Throughput without simulation: service demands, bounds, mean value analysis and a learned correction."""
