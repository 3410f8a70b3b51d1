"""``sirius`` whose engine's process holds a fake engine: ``python fake_demo.py demo ...``."""

import sys
from pathlib import Path

from sirius_cli.main import main
from sirius_cli.services import engine_process

if __name__ == "__main__":
    worker = [sys.executable, str(Path(__file__).with_name("fake_worker.py")), "plain"]
    engine_process.EngineProcess.__init__.__kwdefaults__["worker"] = worker
    sys.exit(main(sys.argv[1:]))
