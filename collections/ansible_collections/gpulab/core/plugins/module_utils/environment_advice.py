# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""One sentence for what is wrong with an import, and what to type where no fix is left. Pure. Python 3.6+."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible_collections.gpulab.core.plugins.module_utils import environment_cuda, environment_libraries
from ansible_collections.gpulab.core.plugins.module_utils.environment_case import framework_of, listed
from ansible_collections.gpulab.core.plugins.module_utils.environment_imports import distribution

# kind: what was found. {names}: the finding's names; {name}, {last}: the first and last; {text}: the error's last line.
_REASONS = {
    "missing": "{name} is not in the environment",
    "dependency": "{name}, which it needs, is not in the environment",
    "incomplete": "its part {name} is not there, so the package is not whole",
    "damaged": "a file of it is damaged ({text})",
    "system_library": "the host has no {names}",
    "cuda_library": "the host has no {names}, a part of CUDA",
    "driver_library": "the host has no {name}, which comes with the NVIDIA driver",
    "glibc": "it was built for a newer system, with {name}",
    "glibcxx": "{name} has no {last}: it is older than the compiler that built the package",
    "cuda_mixed": "{name} has no {last}: libraries of several CUDA versions meet",
    "undefined_symbol": "{name} misses {last}: packages meet that were not built for each other",
    "static_tls": "{name} was loaded too late for its thread-local memory",
    "no_exec": "{name} may not be run from where it lies, or memory is full",
    "numpy_abi": "it was built for another NumPy than the installed one",
    "numpy_api": "it uses {name}, which the installed NumPy no longer has",
    "protobuf": "it was made for an older protobuf than the installed one",
    "opencv_mixed": "several builds of OpenCV lie in one folder",
    "shadowed": "another file has its name: {text}",
    "display": "it wants a display, and the host has none",
    "instructions": "it uses processor instructions that this machine does not have",
    "python_incomplete": "this Python was built without {name}",
    "python_too_new": "it needs {name}, which this Python no longer has",
    "python_too_old": "it is written for a newer Python ({name})",
    "mismatch": "it does not fit another installed package ({text})",
    "no_space": "the disk is full",
    "permission": "{name} may not be read",
    "memory": "memory is full",
    "killed": "the system killed it, as it does when memory is full",
    "slow": "it did not end in time",
    "crash": "it ended by signal {name}",
    "cpu_build": "the CPU build is installed, and the host has a GPU",
    "other": "{text}",
}
# kind: what to type. {pip}: the environment's pip; {version}: Python's; {env}: the environment's folder.
_ADVICE = {
    "missing": "type `{pip} install {package}`",
    "dependency": "type `{pip} install {needed}`",
    "incomplete": "type `{pip} install --force-reinstall --no-deps {package}`",
    "damaged": "type `{pip} install --force-reinstall --no-deps {package}`",
    "glibc": "use a newer system, or an older version of {package}",
    "glibcxx": "type `conda install -p {env} -c conda-forge libstdcxx-ng`",
    "cuda_mixed": "type `unset LD_LIBRARY_PATH` and take out what sets it",
    "undefined_symbol": "type `{pip} install --force-reinstall {package}`",
    "static_tls": "type `export LD_PRELOAD={name}` before you start Python",
    "no_exec": "mount that file system without noexec, or free memory",
    "numpy_abi": "type `{pip} install 'numpy<2'` if {package} is from before 2024, else upgrade {package}",
    "numpy_api": "type `{pip} install 'numpy<1.24'`, or upgrade {package}",
    "protobuf": "type `{pip} install 'protobuf<3.21'`, or upgrade {package}",
    "opencv_mixed": "uninstall all of `{pip} list | grep opencv` and install one of them",
    "shadowed": "rename that file",
    "display": "type `export MPLBACKEND=Agg`",
    "instructions": "use a build without them, such as {package} of conda-forge, or another machine",
    "python_incomplete": "make the environment anew with conda's Python, which has it",
    "python_too_new": "upgrade {package}, or use an older Python than {version}",
    "python_too_old": "use a newer Python than {version}, or an older version of {package}",
    "mismatch": "type `{pip} install --upgrade {package}`",
    "no_space": "free some, and run this again",
    "permission": "give the file back to you: `sudo chown -R $USER {env}`",
    "memory": "end other programs, or use a larger machine",
    "killed": "end other programs, or use a larger machine",
    "slow": "see what the host is busy with, and run this again",
    "crash": "type `{pip} install --force-reinstall {package}`",
    "other": "try it by hand: `{env}/bin/python -c 'import {module}'`",
}


KINDS = tuple(_REASONS)


def reason(finding, fails="fails"):
    """What was found, without a full stop: "import cv2 fails: the host has no libGL.so.1"."""
    names = finding.names or (finding.module,)
    words = _REASONS[finding.kind].format(
        names=listed(names), name=names[0], last=names[-1], text=finding.text.rstrip(".") or "no reason was given"
    )
    how = "works on the CPU only" if finding.kind == "cpu_build" else fails
    return "import %s %s: %s" % (finding.module, how, words)


def advice(finding, case):
    """What to type, without a full stop."""
    framework = framework_of(finding.module, case)
    if finding.kind == "cpu_build" and framework:
        return _for_gpu(framework, case)
    if finding.kind == "system_library":
        typed = environment_libraries.command(finding.names, case.release)
        return "type `%s`" % typed if typed else "install the host's package with %s" % listed(finding.names)
    if finding.kind == "driver_library" and case.host.gpu:
        return "install the driver: ansible-playbook repair-drivers.yml"
    if finding.kind in ("cuda_library", "driver_library"):
        return _for_cuda(finding, framework, case)
    names = finding.names or (finding.module,)
    return _ADVICE[finding.kind].format(
        env=case.prefix,
        module=finding.module,
        name=names[0],
        needed=distribution(names[0]),
        package=distribution(finding.module),
        pip=case.prefix + "/bin/python -m pip",
        version=case.python,
    )


def _for_cuda(finding, framework, case):
    """Which CUDA to install, or that it is there and not found, or how to do without."""
    folders = sorted({case.host.libraries[name] for name in finding.names if name in case.host.libraries})
    if folders:
        typed = "printf '%s\\n' | sudo tee /etc/ld.so.conf.d/cuda.conf && sudo ldconfig" % "\\n".join(folders)
        return "tell the loader where they are: `%s`" % typed
    if framework is None:
        return "install the CUDA that it was built for"
    if not case.host.gpu:
        return "use its CPU build: `%s`" % _pip_install(framework, case)
    named = (framework.distribution, framework.version, environment_cuda.needs(framework))
    return "%s %s needs %s: install that" % named


def _for_gpu(framework, case):
    if environment_cuda.has_cuda(framework, case.host):
        return "type `%s`" % _pip_install(framework, case)
    named = (framework.other, framework.version, environment_cuda.needs(framework))
    return "its GPU build, %s %s, needs %s, which the host has not: install that, and run this again" % named


def _pip_install(framework, case):
    """The command that puts the other build in."""
    named = (case.prefix, framework.other, framework.version)
    return "%s/bin/python -m pip install --force-reinstall %s==%s" % named


def sentence(finding, case):
    """Reason and advice, as one sentence."""
    return "%s; %s." % (reason(finding), advice(finding, case))
