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
  min_speedup:
    type: float
    default: 1.5
    description: GPU images per second over CPU images per second below which a GPU is not worth its money.
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
"""

import json
import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.gpulab.core.plugins.module_utils.report import build, driver_history

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
            "min_speedup": {"type": "float", "default": 1.5},
        },
        supports_check_mode=True,
    )
    if not HAS_JSONSCHEMA:
        module.fail_json(msg=missing_required_lib("jsonschema"))
    p = module.params
    dest = Path(p["dest"])
    before = dest.read_text() if dest.exists() else ""
    driver = driver_history(p["driver"], _parsed(before))
    report = build(p["plan"], p["host"], p["system"], p["result"], p["min_speedup"], driver, p["workplace"])
    try:
        jsonschema.validate(report, json.loads(Path(p["schema"]).read_text()))
    except jsonschema.ValidationError as error:
        module.fail_json(
            msg=f"The report of {p['host']['name']} does not fit its schema at {error.json_path}: {error.message}"
        )
    text = json.dumps(report, indent=2, sort_keys=True) + "\n"
    if before != text and not module.check_mode:
        dest.parent.mkdir(parents=True, exist_ok=True)
        draft = dest.with_suffix(".new")
        draft.write_text(text)
        os.replace(draft, dest)
    module.exit_json(changed=before != text, report=report, diff={"before": before, "after": text})


if __name__ == "__main__":
    main()
