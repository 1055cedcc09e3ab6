"""strixkit: provision AMD Strix Halo boxes and serve a model on them."""

import os

# No pydantic plugin is used; looking for some costs 20 ms at each start.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
