"""What the kernel is booted with: which loader it is, what its entries say, and the steps that change them."""
