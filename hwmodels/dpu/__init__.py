"""AMD's DPU family: boards of cores that share one memory."""
