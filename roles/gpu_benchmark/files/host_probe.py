"""Print what the benchmark needs to know of a host, as JSON.

Arguments: the benchmark's folder, and the prefix of an environment that may have PyTorch, "" for none. Neither has to
exist.
"""

import importlib.util
import json
import platform
import shutil
import sys
from pathlib import Path

folder = Path(sys.argv[1])
while not folder.is_dir():
    folder = folder.parent
environment = Path(sys.argv[2]).resolve() if sys.argv[2] else None
found = sorted(environment.glob("lib/python3*/site-packages/torch-*.dist-info")) if environment else []
facts = {
    "python": ".".join(platform.python_version_tuple()[:2]),
    "machine": platform.machine(),
    "megabytes_free": shutil.disk_usage(folder).free // 1000000,
    "can_make_environments": importlib.util.find_spec("ensurepip") is not None,
    # Where the prefix really is (a rebuilt environment is another one), and its PyTorch's version; "" without PyTorch.
    "environment": str(environment) if found else "",
    "environment_torch": found[-1].name[len("torch-") : -len(".dist-info")] if found else "",
}
print(json.dumps(facts))
