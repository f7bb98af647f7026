#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.benchmark_report."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: benchmark_report
short_description: Judge a benchmark's result, write it down and draw it
description:
  - Says what a result of gpubench proves (verified, rehearsed or failed), why, and in one sentence what it means.
  - Writes all of that with the result as JSON, and beside it a picture, where they differ from what is there.
  - Meant for the control machine. A failed verdict does not fail the task.
version_added: "0.4.0"
options:
  result:
    description: The JSON of gpubench; nothing when there is none, which is judged as failed.
    type: dict
  dest:
    description: The JSON file to write; the picture goes beside it and ends in C(.svg).
    type: path
    required: true
  gpu_expected:
    description: Whether the host should have trained on a GPU.
    type: bool
    required: true
  real:
    description: Whether the host is in AWS or the user's own; false where another service answers in AWS's place.
    type: bool
    required: true
  min_speedup:
    description:
      - CPU seconds per epoch over GPU seconds per epoch that is the least for a net, by net (C(lenet), C(mlp)).
      - Nets that are not named take theirs from the table in C(module_utils/benchmark_rules.py).
    type: dict
    default: {}
  usd_per_hour:
    description: What an hour of the host costs (USD), for the sentence; nothing where nobody knows.
    type: float
author:
  - gpulab contributors
attributes:
  check_mode:
    description: Judges and draws, and writes nothing.
    support: full
  diff_mode:
    description: Shows both files.
    support: full
"""

EXAMPLES = r"""
- name: Write the benchmark's report
  gpulab.core.benchmark_report:
    result: "{{ gpu_benchmark_result }}"
    dest: reports/gpulab/gpulab-benchmark.json
    gpu_expected: true
    real: true
    min_speedup: {lenet: 3}
  delegate_to: localhost
"""

RETURN = r"""
verdict:
  description: V(verified), V(rehearsed) or V(failed).
  returned: success
  type: str
  sample: rehearsed
reasons:
  description: Why, a sentence each.
  returned: success
  type: list
  elements: str
  sample: ["No GPU was used, because the endpoint is not AWS and its hosts have none: only the CPU was timed."]
sentence:
  description: What it means for the user; a failed verdict's first reason.
  returned: success
  type: str
  sample: "Tesla T4 trains LeNet-5 5.0 times as fast as the host's CPU (2 threads): worth it."
report:
  description: Path of the JSON file.
  returned: success
  type: str
  sample: reports/gpulab/gpulab-benchmark.json
picture:
  description: Path of the picture; empty when nothing was trained.
  returned: success
  type: str
  sample: reports/gpulab/gpulab-benchmark.svg
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import benchmark_rules, report_files
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_picture import picture
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_sentence import sentence
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_verdict import verdict


def main():
    """Judge, draw, write."""
    module = AnsibleModule(
        argument_spec={
            "result": {"type": "dict"},
            "dest": {"type": "path", "required": True},
            "gpu_expected": {"type": "bool", "required": True},
            "real": {"type": "bool", "required": True},
            "min_speedup": {"type": "dict", "default": {}},
            "usd_per_hour": {"type": "float"},
        },
        supports_check_mode=True,
    )
    p = module.params
    result, dest = p["result"] or {}, p["dest"]
    try:
        judged = verdict(result, p["gpu_expected"], p["real"], p["min_speedup"])
    except ValueError as error:
        module.fail_json(msg=str(error))
    told = dict(judged, sentence=sentence(result, judged, p["usd_per_hour"]))
    files = {dest: report_files.as_text(dict(told, version=1, benchmark=benchmark_rules.finite(result)))}
    drawn = report_files.beside(dest, ".svg") if benchmark_rules.trained(result) else ""
    if drawn:
        files[drawn] = picture(result)
    try:
        written = report_files.write(files, module.check_mode)
    except OSError as error:
        module.fail_json(
            msg="The report could not be written to %s (%s), expected a folder to write to: set gpulab_reports_dir."
            % (dest, error.strerror)
        )
    module.exit_json(report=dest, picture=drawn, **dict(told, **written))


if __name__ == "__main__":
    main()
