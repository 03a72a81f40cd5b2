"""Run this network in Lava and compare with chipsim, bit for bit: `python run.py`. Status 0: equal.

Needs Python 3.10, lava-nc 0.10.0 and numpy below 2. The last line of the output is `RESULT {...}`.
"""

import faulthandler
import json
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

if __name__ == "__main__":
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1, all_threads=True)  # where every process stands, on stderr
    from network import check

    told = check(HERE)
    print("RESULT " + json.dumps(told), flush=True)
    sys.exit(0 if told["result"] == "equal" else 1)
