"""Run this network in Lava and compare with chipsim, bit for bit: `python run.py`. Status 0: equal.

Needs Python 3.10, lava-nc 0.10.0 and numpy below 2. The last line of the output is `RESULT {...}`.
"""

import faulthandler
import json
import os
import signal
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


def end_with_watcher() -> None:
    """Kill this group of processes when whoever started it is gone: its end of standard input closes."""
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    if os.environ.get("CHIPSIM_LAVA_WATCHED"):
        threading.Thread(target=end_with_watcher, daemon=True).start()
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1, all_threads=True)  # where every process stands, on stderr
    from network import check

    told = check(HERE)
    print("RESULT " + json.dumps(told), flush=True)
    sys.exit(0 if told["result"] == "equal" else 1)
