"""Boards of another accelerator family (DPU): replay of profiles, layers, thread sweeps, watts."""
