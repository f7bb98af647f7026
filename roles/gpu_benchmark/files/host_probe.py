"""Print what the benchmark needs to know of a host, as JSON. Argument: the benchmark's folder, which need not exist."""

import importlib.util
import json
import platform
import shutil
import sys
from pathlib import Path

folder = Path(sys.argv[1])
while not folder.is_dir():
    folder = folder.parent
facts = {
    "python": ".".join(platform.python_version_tuple()[:2]),
    "machine": platform.machine(),
    "megabytes_free": shutil.disk_usage(folder).free // 1000000,
    "can_make_environments": importlib.util.find_spec("ensurepip") is not None,
}
print(json.dumps(facts))
