"""strixkit: provision AMD Strix Halo boxes and serve a model on them."""
