"""A local server that speaks Hugging Face's protocol for the files of a folder, and misbehaves when told to.

    with hubserver.serving(folder) as hub:
        hub.faults.append(Fault(cut=1000, times=2))
        ...                                     # HF_ENDPOINT=hub.url
        assert hub.sent_twice("OWNER/NAME/model.gguf") == 0

folder.py has how the folder is read, faults.py what can go wrong, traffic.py what is logged; by hand:
`python -m tests.hubserver FOLDER --port 8000 --rate 20000000`.
"""

from tests.hubserver.faults import Fault
from tests.hubserver.server import Hub, serving
from tests.hubserver.traffic import Request

__all__ = ["Fault", "Hub", "Request", "serving"]
