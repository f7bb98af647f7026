# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Tries the imports of an environment, and looks at what they depend on; changes nothing. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import glob
import inspect
import json
import os
import re
import subprocess

from ansible_collections.gpulab.core.plugins.module_utils import (
    environment_advice,
    environment_case,
    environment_cuda,
    environment_fixes,
    environment_host,
    environment_imports,
    environment_installed,
    environment_names,
    environment_probe,
)

SECONDS = 120
"""Longest time for one import: the first one of a PyTorch reads gigabytes from a fresh disk."""
CUDA_FOLDERS = (
    "/usr/local/cuda*/lib64",
    "/usr/local/cuda*/extras/CUPTI/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/x86_64-linux-gnu",
    "/usr/lib64",
)
_MOST_FILES = 60


def probe(python, modules):
    """What environment_probe prints in a Python; without one, its error is that of every import."""
    # Neither a user's own packages in ~/.local, nor anything written: this also runs in check mode.
    argv = [python, "-s", "-B", "-c", inspect.getsource(environment_probe), str(SECONDS), *modules]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/")
        return json.loads(done.stdout.decode("utf-8", "replace").splitlines()[-1])
    except OSError as error:
        text = "%s cannot be run: %s" % (python, error.strerror)
    except (ValueError, IndexError):  # it said nothing: it did not start
        text = done.stderr.decode("utf-8", "replace").strip() or "%s ended with exit code %d" % (
            python,
            done.returncode,
        )
    failed = {"error": text, "signal": 0, "folder": ""}
    return {"imports": {name: dict(failed) for name in modules}, "distributions": {}, "python": ""}


def missing_libraries(folder):
    """Names of the libraries that the loader does not find for the modules in a folder, or in one file."""
    files = [folder] if os.path.isfile(folder) else glob.glob(glob.escape(folder) + "/**/*.so*", recursive=True)
    found = set()  # type: set[str]
    for file in sorted(files)[:_MOST_FILES]:
        _code, said = environment_host.run(["ldd", file])
        found.update(re.findall(r"^\s*(\S+) => not found", said, re.MULTILINE))
    return sorted(found)


def release():
    """The host's os-release as a dictionary."""
    text = environment_host.read("/etc/os-release") or environment_host.read("/usr/lib/os-release")
    return dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))


def toolkits():
    """{CUDA release: full version, "" if unknown} of those in /usr/local."""
    found = {}  # type: dict[str, str]
    for folder in sorted(glob.glob("/usr/local/cuda*")):
        told = environment_host.read(folder + "/version.txt") or environment_host.read(folder + "/version.json")
        full = re.search(r'(?:CUDA Version |"CUDA SDK",\s*"version"\s*:\s*")([\d.]+)', told)
        named = re.search(r"cuda-(\d+\.\d+)$", folder)
        version = full.group(1) if full else ""
        short = ".".join(version.split(".")[:2]) or (named.group(1) if named else "")
        if short:
            found[short] = version or found.get(short, "")
    return found


def cuda_libraries(prefix):
    """{soname: folder} of CUDA's libraries of the host and, from conda, the environment."""
    found = {}  # type: dict[str, str]
    for pattern in (*CUDA_FOLDERS, glob.escape(prefix) + "/lib"):
        for folder in sorted(glob.glob(pattern)):
            for file in os.listdir(folder):
                if re.match(r"lib\w+\.so\.", file) and environment_imports.library_kind(file) == "cuda_library":
                    found.setdefault(file, folder)
    return found


def host(prefix):
    """The host, as far as CUDA is concerned."""
    told = re.search(r"Kernel Module\s+(?:for \S+\s+)?([\d.]+)", environment_host.read("/proc/driver/nvidia/version"))
    return environment_cuda.Host(
        gpu=os.path.exists("/dev/nvidia0"),
        driver=told.group(1) if told else "",
        toolkits=toolkits(),
        libraries=cuda_libraries(prefix),
    )


def gather(python, modules, build):
    """(Case, [Finding]) of an environment, after trying to import the modules."""
    prefix = python.rpartition("/bin/")[0]
    seen = probe(python, modules)
    installed = environment_installed.versions(environment_host.packages(prefix))
    findings = []
    for name in dict.fromkeys(modules):
        result = seen["imports"][name]
        if "error" in result:
            libraries = missing_libraries(result["folder"]) if result["folder"] else []
            finding = environment_imports.diagnose(name, result["error"], result["signal"], libraries)
            findings.append(finding)
            result["kind"] = finding.kind
    case = environment_case.Case(
        prefix=prefix,
        python=seen["python"],
        build=build,
        imports=seen["imports"],
        distributions=seen["distributions"],
        conda=installed["conda"],
        pip=installed["pip"],
        release=release(),
        host=host(prefix),
    )
    return case, findings + environment_case.cpu_builds(case, {finding.module for finding in findings})


def look(python, modules, build):
    """{imports, findings, warnings, distributions} of an environment; see `described`."""
    return described(*gather(python, modules, build))


def described(case, findings):
    """What is said of a case: imports as the probe saw them, each finding with its sentence, and warnings."""
    frameworks = environment_cuda.frameworks(case.distributions, case.imports)
    warnings = [environment_cuda.driver_warning(framework, case.host) for framework in frameworks]
    return {
        "imports": case.imports,
        "findings": [
            {
                "module": finding.module,
                "kind": finding.kind,
                "names": list(finding.names),
                "sentence": environment_advice.sentence(finding, case),
            }
            for finding in findings
        ],
        "warnings": [text for text in warnings if text],
        "distributions": case.distributions,
    }


def next_fix(case, findings, means, tried):
    """(Finding, Fix) of the first finding with a fix that was not tried; (None, None) when there is none."""
    for finding in findings:
        for fix in environment_fixes.fixes(finding, case, means):
            if fix.id not in tried:
                return finding, fix
    return None, None


def fix_described(finding, fix, case):
    """A Fix as plain values, with sentences for before and after, and the file for its requirements."""
    told = {
        "would": "%s; install %s." % (environment_advice.reason(finding), fix.what),
        "sentence": "%s; installed %s." % (environment_advice.reason(finding, "failed"), fix.what),
        "file": environment_fixes.requirements_file(case.prefix),
    }
    return dict(fix._asdict(), **told)


def means(conda, pip, requirements, system_packages):
    """Means from what a role knows; `requirements` is the text of the lock."""
    return environment_case.Means(list(conda), list(pip), environment_names.blocks(requirements), system_packages)
