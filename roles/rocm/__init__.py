"""Role `rocm`: AMD's HIP runtime and compiler, where it is wanted."""
