"""The search for the best price as one CUDA kernel."""
