#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.course_lab."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: course_lab
short_description: Put a lab and its data on a host, and say whether its notebook has to run
description:
  - Clones a lab at its commit, or takes its files from a folder on the host, and puts them into the user's folder.
  - What the user has changed there is never overwritten. What is run is the notebook as it was published.
  - Puts MNIST where the notebook looks for it.
  - M(ansible.builtin.git) is not used, as it knows no clone that is made aside and put in place as a whole, and cannot
    tell the user's commits from the ones that it checked out before.
version_added: "0.3.0"
options:
  lab:
    description: The lab, with all its defaults, as the filter P(gpulab.core.course_labs_chosen#filter) gives it.
    type: dict
    required: true
  folder:
    description: The user's folder for it.
    type: path
    required: true
  state:
    description: Folder for what is kept about it. C(source) in it holds the files of a lab that is no git clone.
    type: path
    required: true
  mnist:
    description: Folder with MNIST's four uncompressed files.
    type: path
    required: true
  environment:
    description: The conda environment, or another one with a bin/python, that the notebook runs in.
    type: path
    required: true
  runner:
    description: The program that executes notebooks.
    type: path
    required: true
author: [the gpulab authors (@gpulab)]
attributes:
  check_mode:
    description: Says whether something would be changed, and changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Put the lab there
  gpulab.core.course_lab:
    lab: "{{ course_labs_labs | gpulab.core.course_labs_chosen('modern') | first }}"
    folder: /home/ubuntu/notebooks/LeNet-Lab
    state: /opt/gpulab/labs/LeNet-Lab
    mnist: /opt/gpulab/labs/mnist
    environment: /opt/gpulab/conda/envs/carnd-term1
    runner: /opt/gpulab/labs/run_notebook.py
"""

RETURN = r"""
run:
  description: Whether the notebook has to run.
  returned: success
  type: bool
runnable:
  description: Whether it can; where not, another version than the wanted one is there, and C(note) says so.
  returned: success
  type: bool
note:
  description: A sentence about the user's own changes; empty when there are none.
  returned: success
  type: str
files:
  description: Where the runner finds what to do (C(spec)), and leaves its C(output), C(page) and C(result_file).
  returned: success
  type: dict
result:
  description: The result of an earlier run with the same key; empty when there is none.
  returned: success
  type: dict
"""

import glob
import json
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import lab_data, lab_plan, lab_source


def fingerprint(prefix):
    """A hash of what is installed in an environment: its marker, else the names and versions of its packages."""
    marker = lab_source.read(os.path.join(prefix, "conda-meta/gpulab.json"))
    names = glob.glob(os.path.join(prefix, "lib/python*/site-packages/*.dist-info"))
    gpu = "gpu" if os.path.exists("/dev/nvidia0") else "cpu"
    return lab_source.sha256((marker or json.dumps(sorted(names)).encode("utf-8")) + gpu.encode("utf-8"))


def take_clone(module, lab, folder, state):
    """Bring a git lab to its commit where that is ours to do: (changed, runnable, note, notebook's bytes)."""

    def run(argv, cwd):
        asks_nothing = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -o BatchMode=yes", "LC_ALL": "C"}
        return module.run_command(argv, cwd=cwd, environ_update=asks_nothing, encoding="utf-8")

    git = lab_source.Git(run, folder, lab["repository"], lab["commit"])
    record = os.path.join(state, "commit")
    plan, note = lab_plan.clone_plan(git.look(), lab["commit"], lab_source.read(record).decode("utf-8").strip())
    if plan in ("clone", "checkout"):
        if module.check_mode:
            return True, True, note, b""
        git.clone() if plan == "clone" else git.checkout()
    if plan != "keep" and not module.check_mode:
        lab_source.write(record, lab["commit"].encode("utf-8"))
    notebook = b"" if plan == "keep" else git.show(lab["notebook"])
    return plan in ("clone", "checkout"), plan != "keep", note, notebook


def take_files(module, lab, folder, state):
    """Put the files of a lab that is no clone into the user's folder: (changed, runnable, note, notebook's bytes)."""
    source = os.path.join(state, "source")
    if module.check_mode and not os.path.isdir(source):
        return True, True, "", b""
    if not os.path.isfile(os.path.join(source, lab["notebook"])):
        there = [name for name in lab_source.files_below(source) if name.endswith(".ipynb")]
        raise lab_plan.LabError(
            "has no %s in %s, expected one of its notebooks (%s)"
            % (lab["notebook"], lab["repository"] or "the role", ", ".join(there[:10]) or "there are none")
        )
    changed, own = lab_source.place(source, folder, state, module.check_mode)
    note = "has changes of your own (%s), which stay" % ", ".join(own) if own else ""
    return changed, True, note, lab_source.read(os.path.join(source, lab["notebook"]))


def prepare(module, lab, folder, state):
    """Do all of it; what the module returns. Raises LabError."""
    git = lab_plan.kind_of(lab["repository"]) == "git"
    changed, runnable, note, notebook = (take_clone if git else take_files)(module, lab, folder, state)
    place = os.path.dirname(os.path.join(folder, lab["notebook"]))
    lacking = lab_data.missing(place, lab["data"]) if runnable else []
    content = lab["commit"] if git else lab_source.content_of(os.path.join(state, "source"))
    runner = lab_source.sha256(lab_source.read(module.params["runner"]))
    key = lab_plan.key_of(lab, content, fingerprint(module.params["environment"]), runner)
    stem = os.path.join(folder, "outputs", os.path.splitext(os.path.basename(lab["notebook"]))[0])
    files = {"output": stem + ".ipynb", "page": stem + ".html", "result_file": os.path.join(state, "result.json")}
    spec = {name: lab[name] for name in ("parameters", "values", "assertions", "timeout", "cell_timeout")}
    spec.update(files, notebook=os.path.join(state, "notebook.ipynb"), folder=place, key=key)
    if not module.check_mode and runnable:
        lab_data.lay(place, lacking, module.params["mnist"])
        if not os.path.isdir(os.path.dirname(stem)):
            os.makedirs(os.path.dirname(stem))
        lab_source.write(spec["notebook"], notebook)
        lab_source.write(os.path.join(state, "spec.json"), json.dumps(spec, sort_keys=True).encode("utf-8"))
    result = json.loads((lab_source.read(files["result_file"]) or b"{}").decode("utf-8"))
    done = lab_plan.is_done(result, key) and all(os.path.exists(path) for path in files.values())
    return {
        "changed": changed or bool(lacking),
        "run": runnable and not done,
        "runnable": runnable,
        "note": note and "The lab %s in %s %s." % (lab["name"], folder, note),
        "files": dict(files, spec=os.path.join(state, "spec.json")),
        "result": result if done else {},
    }


def main():
    """Prepare the lab, or say in one sentence why that cannot be."""
    module = AnsibleModule(
        argument_spec={
            "lab": {"type": "dict", "required": True},
            "folder": {"type": "path", "required": True},
            "state": {"type": "path", "required": True},
            "mnist": {"type": "path", "required": True},
            "environment": {"type": "path", "required": True},
            "runner": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        returned = prepare(module, given["lab"], given["folder"], given["state"])
    except lab_plan.LabError as error:
        module.fail_json(msg="The lab %s in %s: %s." % (given["lab"]["name"], given["folder"], error))
    module.exit_json(**returned)


if __name__ == "__main__":
    main()
