#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Write the proof report of a host, checked against its schema."""

from __future__ import annotations

DOCUMENTATION = r"""
module: proof_report
short_description: Write a host's proof report as JSON
description:
  - Builds the report from what the other roles gathered, judges it (verified, rehearsed or failed), validates it
    against the JSON schema and writes it when it differs from what is there. Runs on the control machine.
  - Beside it goes the benchmark's picture, HOST-benchmark.svg.
options:
  dest: {type: path, required: true, description: The file to write.}
  schema: {type: path, required: true, description: The JSON schema.}
  plan: {type: dict, required: true, description: What gpulab.core.ec2_plan_info returned.}
  host: {type: dict, required: true, description: The host as gpulab.core.ec2_deployment_info returned it.}
  system: {type: dict, required: true, description: "The host's own word: distribution, version, kernel."}
  driver:
    type: dict
    description: nvidia_driver_report of the role nvidia_driver; nothing when it was not run.
  result: {type: dict, description: The benchmark's JSON; nothing when it was not run.}
  workplace:
    type: dict
    default: {}
    description: What the roles conda_env, jupyter_server and course_labs left, as environment, notebook and labs.
  distributed: {type: dict, description: What a training over several GPUs or hosts left; nothing when there was none.}
  guard: {type: dict, description: What cost_guard read back of the host; nothing when it was not run.}
  min_speedup:
    type: dict
    default: {}
    description: GPU images per second over CPU images per second below which a GPU is not worth its money, by net.
author: [the gpulab authors (@gpulab)]
"""

EXAMPLES = r"""
- name: Write the report
  gpulab.core.proof_report:
    dest: reports/gpulab/gpulab.json
    schema: roles/proof_report/files/report.schema.json
    plan: "{{ ec2_gpu_host_plan }}"
    host: "{{ ec2_gpu_host_found.hosts[0] }}"
    system: {distribution: Ubuntu, version: "24.04", kernel: "6.17.0"}
    result: "{{ gpu_benchmark_result }}"
  delegate_to: localhost
"""

RETURN = r"""
report: {description: The report as written., returned: success, type: dict, sample: {verdict: rehearsed}}
picture: {description: The benchmark's picture as SVG; empty without a benchmark., returned: success, type: str}
"""

import json
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.gpulab.core.plugins.module_utils import report_files
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_picture import picture
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_rules import trained
from ansible_collections.gpulab.core.plugins.module_utils.report import (
    build,
    driver_history,
    launch_history,
    money_history,
)

try:
    import jsonschema

    HAS_JSONSCHEMA = True
except ImportError:
    HAS_JSONSCHEMA = False


def _parsed(text):
    """Return the report that was there, {} where it is none (any more)."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path", "required": True},
            "schema": {"type": "path", "required": True},
            "plan": {"type": "dict", "required": True},
            "host": {"type": "dict", "required": True},
            "system": {"type": "dict", "required": True},
            "driver": {"type": "dict"},
            "result": {"type": "dict"},
            "workplace": {"type": "dict", "default": {}},
            "distributed": {"type": "dict"},
            "guard": {"type": "dict"},
            "min_speedup": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    if not HAS_JSONSCHEMA:
        module.fail_json(msg=missing_required_lib("jsonschema"))
    p = module.params
    result = p["result"] or {}
    if result and p["distributed"]:
        result = dict(result, distributed=p["distributed"])
    before = _parsed(report_files.read(p["dest"]))
    driver = driver_history(p["driver"], before)
    plan = dict(p["plan"], attempts=launch_history(p["plan"], p["host"]["id"], before))
    try:
        report = build(plan, p["host"], p["system"], result, p["min_speedup"], driver, p["workplace"], p["guard"])
        report["money"] = money_history(report, before)
        jsonschema.validate(report, json.loads(Path(p["schema"]).read_text()))
    except jsonschema.ValidationError as error:
        module.fail_json(
            msg=f"The report of {p['host']['name']} does not fit its schema at {error.json_path}: {error.message}"
        )
    except ValueError as error:
        module.fail_json(msg=str(error))
    files = {p["dest"]: report_files.as_text(report)}
    drawn = picture(result) if trained(result) else ""
    if drawn:
        files[report_files.beside(p["dest"], "-benchmark.svg")] = drawn
    module.exit_json(report=report, picture=drawn, **report_files.write(files, module.check_mode))


if __name__ == "__main__":
    main()
