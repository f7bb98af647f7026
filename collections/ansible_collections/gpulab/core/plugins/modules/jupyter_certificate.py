#!/usr/bin/python
# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""Module gpulab.core.jupyter_certificate."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: jupyter_certificate
short_description: A certificate for a notebook that others than the host reach
description:
  - Makes a self-signed certificate with openssl, and keeps it while it names the host and is not about to end.
  - Or checks one that was brought, which is never replaced, and fails with one sentence when it cannot serve.
options:
  certificate: {type: path, required: true, description: File of the certificate (PEM).}
  key: {type: path, required: true, description: File of its private key (PEM).}
  names: {type: list, elements: str, required: true, description: Addresses and names that it has to be good for.}
  owner: {type: str, required: true, description: Who may read the private key.}
  own: {type: bool, default: false, description: The certificate was brought; check it and make none.}
author: [the gpulab authors (@gpulab)]
attributes:
  check_mode: {support: full, description: Says that a certificate would be made, and makes none.}
"""

EXAMPLES = r"""
- name: Provide a certificate
  gpulab.core.jupyter_certificate:
    certificate: /etc/gpulab/jupyter/certificate.pem
    key: /etc/gpulab/jupyter/key.pem
    names: [203.0.113.7, localhost]
    owner: ubuntu
  become: true
"""

RETURN = r"""
fingerprint:
  description: The certificate's SHA-256 fingerprint, to compare with what a browser shows; "" where there is none yet.
  returned: success
  type: str
  sample: "AB:CD:EF"
"""

import os
import pwd
import shutil
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.core.plugins.module_utils import jupyter_certificates as certificates


def openssl(module, *arguments):
    """What openssl prints; "" when it fails."""
    code, out, _err = module.run_command([module.get_bin_path("openssl", required=True), *arguments])
    return out if code == 0 else ""


def problem(module):
    """What is wrong with the files that are there, "" when they serve."""
    certificate, key = module.params["certificate"], module.params["key"]
    if not (os.path.exists(certificate) and os.path.exists(key)):
        return "is not there"
    public = openssl(module, "x509", "-in", certificate, "-noout", "-pubkey")
    if not public:
        return "is no certificate in PEM form"
    if public != openssl(module, "pkey", "-in", key, "-pubout"):
        return "does not belong to the private key (which has to be without a passphrase)"
    seconds = 0 if module.params["own"] else certificates.RENEW_DAYS * 86400
    if not openssl(module, "x509", "-in", certificate, "-noout", "-checkend", str(seconds)):
        return "has expired"
    text = openssl(module, "x509", "-in", certificate, "-noout", "-text")
    missing = certificates.missing(module.params["names"], text)
    # Somebody's own certificate may be for a name that only they know leads here.
    return "" if module.params["own"] or not missing else "is not for " + ", ".join(missing)


def make(module, folder):
    """Make certificate and key in `folder` and move them into place, the key first: a wrong pair is made again."""
    files = {name: os.path.join(folder, name) for name in ("settings", "key", "certificate")}
    with open(files["settings"], "w") as file:
        file.write(certificates.settings(module.params["names"]))
    command = ["req", "-x509", "-new", "-nodes", "-sha256", "-days", str(certificates.DAYS)]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-config", files["settings"], "-keyout", files["key"], "-out", files["certificate"]]
    code, _out, err = module.run_command([module.get_bin_path("openssl", required=True), *command])
    if code:
        module.fail_json(msg="openssl could not make a certificate: %s" % " ".join(err.split()[-30:]))
    owner = pwd.getpwnam(module.params["owner"])
    os.chown(files["key"], owner.pw_uid, owner.pw_gid)
    for name, mode in (("key", 0o400), ("certificate", 0o644)):
        os.chmod(files[name], mode)
        # Not atomic_move, which gives a new file the mode that everybody can read.
        os.rename(files[name], module.params[name])


def main():
    """Compare, make what is missing, say the fingerprint."""
    module = AnsibleModule(
        argument_spec={
            "certificate": {"type": "path", "required": True},
            "key": {"type": "path", "required": True, "no_log": False},
            "names": {"type": "list", "elements": "str", "required": True},
            "owner": {"type": "str", "required": True},
            "own": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    certificate = module.params["certificate"]
    wrong = problem(module)
    if wrong and module.params["own"] and not module.check_mode:
        module.fail_json(
            msg="The certificate of jupyter_server_tls_certificate %s: give another one and its key, or leave both "
            "out for a self-signed one." % wrong
        )
    if wrong and not module.check_mode:
        # Beside the place it goes to: a rename needs one file system.
        folder = tempfile.mkdtemp(dir=os.path.dirname(module.params["key"]), prefix=".new-")
        try:
            make(module, folder)
        finally:
            shutil.rmtree(folder)
    said = (
        openssl(module, "x509", "-in", certificate, "-noout", "-fingerprint", "-sha256")
        if os.path.exists(certificate)
        else ""
    )
    module.exit_json(changed=bool(wrong) and not module.params["own"], fingerprint=said.strip().partition("=")[2])


if __name__ == "__main__":
    main()
