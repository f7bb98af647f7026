"""What programs print when they fail, as one sentence each."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import environment_errors

ABOUT: dict[str, Any] = {
    "channels": ["http://m/conda"],
    "wheels": "http://m/wheels-modern/",
    "root": "/r",
    "free": 700,
    "needed": 3000,
    "in_use": True,
    "extras": [],
    "log": "/r/build/x.job/log",
}
AGAIN = "If you run into this error repeatedly, your package cache may be corrupted."
REPODATA = "http://m/conda/noarch/repodata.json"


def explain(text: str, step: str = "create", **about: Any) -> str:
    lines = [*text.strip("\n").splitlines(), f"gpulab: {step} ended with exit code 1"]
    sentence: str = environment_errors.explain(lines, ABOUT | about)
    assert "\n" not in sentence
    return sentence


def solver(*lines: str) -> str:
    head = "error    libmamba Could not solve for environment specs"
    return "\n".join([head, *lines, head.replace("error   ", "critical")])


CASES = [
    # micromamba 2
    (
        solver(
            "    The following package could not be installed",
            "    └─ samtoolz =* * does not exist (perhaps a typo or a missing channel).",
        ),
        "The channel http://m/conda has no package samtoolz: correct",
    ),
    (
        solver(
            "    The following packages are incompatible",
            "    ├─ b ==5.0.4 * does not exist (perhaps a typo or a missing channel).",
            "    └─ a >=1,<2 * does not exist (perhaps a typo or a missing channel).",
        ),
        "has no package a >=1,<2, b ==5.0.4: correct",
    ),
    (
        solver(
            "    The following packages are incompatible",
            "    ├─ python =3.12 * is requested and can be installed;",
            "    └─ x =* * is not installable because it requires",
            "       └─ python =3.9 *, which conflicts with any installable versions previously reported.",
        ),
        "do not go together on http://m/conda (python =3.12 * is requested and can be installed; x =* * is",
    ),
    (
        solver(
            "    └─ pytorch =* * is not installable because it requires", "       └─ __glibc >=2.28 *, which is missing"
        ),
        "The packages need glibc >=2.28, which this host has not: use a newer system",
    ),
    (
        f"critical libmamba Download error (6) Could not resolve hostname [{REPODATA}.zst]\n    Could not resolve: m",
        f"The address {REPODATA}.zst cannot be had (Could not resolve hostname): see that the host reaches it",
    ),
    (
        f"warning  libmamba Download error (7) Could not connect to server [{REPODATA}]\n"
        "    Failed to connect to m port 80 after 0 ms\nwarning  libmamba Retrying in 2 seconds\n"
        f"critical libmamba Multiple errors occurred:\n    Download error (7) Could not connect [{REPODATA}]\n"
        f"    Subdir http://m/conda/noarch not loaded!\n    {AGAIN}",
        f"The address {REPODATA} cannot be had (Could not connect)",
    ),
    (
        f"critical libmamba Download error (28) Timeout was reached [{REPODATA}]",
        "cannot be had (Timeout was reached)",
    ),
    (
        f"warning  libmamba Unable to retrieve repodata (response: 404) for '{REPODATA}'\n"
        f"critical libmamba Multiple errors occurred:\n    Transfer finalized, status: 404 [{REPODATA}]\n{AGAIN}",
        f"The address {REPODATA} cannot be had (HTTP status 404)",
    ),
    (
        "error    libmamba Failed to download package from http://m/conda/noarch/x-1-0.conda (status 404)\n"
        "critical libmamba Transfer finalized, status: 404 [http://m/conda/noarch/x-1-0.conda] 335 bytes",
        "The address http://m/conda/noarch/x-1-0.conda cannot be had (HTTP status 404)",
    ),
    (
        'error    libmamba File not valid: SHA256 doesn\'t match expectation "/r/pkgs/tqdm-4.70.1-pyh_0.conda"\n'
        "    Expected: 11aa\n    Actual: 22bb\ncritical libmamba Found incorrect downloads. Aborting",
        "tqdm-4.70.1-pyh_0.conda from http://m/conda has another sha256 than its channel says (22bb, expected 11aa)",
    ),
    (
        'error    libmamba File not valid: file size doesn\'t match expectation "/r/pkgs/a-1-0.conda"\n'
        "    Expected: 123\n    Actual: 45\ncritical libmamba Found incorrect downloads. Aborting",
        "The file a-1-0.conda from http://m/conda has another size than its channel says (45, expected 123)",
    ),
    (
        'error    libmamba Could not write to file "/r/pkgs/a.conda": No space left on device\n'
        "critical libmamba Download error (23) Failed writing received data to disk/application [http://m/conda/a.conda]",
        "The disk ran full below /r, which needs 3000 MB and had 700 MB free: free some",
    ),
    (
        "critical libmamba filesystem error: cannot copy: No space left on device [/r/pkgs/a] [/r/envs/a]",
        "The disk ran full below /r",
    ),
    # conda
    (
        "PackagesNotFoundError: The following packages are not available from current channels:\n\n  - samtoolz\n\n"
        "Current channels:\n\n  - http://m/conda\n",
        "The channel http://m/conda has no package samtoolz",
    ),
    (
        "CondaHTTPError: HTTP 000 CONNECTION FAILED for url <http://m/conda/linux-64/repodata.json>\nElapsed: -",
        "cannot be had (HTTP 000 CONNECTION FAILED for url <http://m/conda/linux-64/repodata.json>)",
    ),
    (
        "ChecksumMismatchError: Conda detected a mismatch between the expected content",
        "another sha256 than its channel",
    ),
    ("NoSpaceLeftError: No space left on devices.", "The disk ran full"),
    ("UnsatisfiableError: The following specifications were found to be incompatible", "do not go together"),
    # pip
    (
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated ...\n"
        f"    six==1.17.0 from http://m/six.whl (from -r r.txt (line 1)):\n        Expected sha256 {'a' * 64}\n"
        f"             Got        {'b' * 64}",
        f"six from http://m/wheels-modern/ has another sha256 than the lock pins ({'b' * 64}): nothing of it",
    ),
    (
        "ERROR: Could not find a version that satisfies the requirement torch==9 (from versions: none)\n"
        "ERROR: No matching distribution found for torch==9",
        "The source http://m/wheels-modern/ has no file of torch==9 for this Python and system: pin another version",
    ),
    (
        "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError: Failed to establish a new "
        "connection: [Errno 111] Connection refused'\nERROR: No matching distribution found for six==1.17.0",
        "Pip cannot reach http://m/wheels-modern/: see that the host reaches it, or set conda_env_mirror",
    ),
    (
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
        "The disk ran full below /r",
    ),
    (
        "ERROR: Cannot install numpy==1.1 because these package versions have conflicting dependencies.",
        "The package numpy==1.1 does not go together with the versions of the lock: pin others",
    ),
    ("/p/bin/python: error: version `GLIBC_2.34' not found", "need glibc 2.34, which this host has not"),
    # anything else
    ("some\nthing happened.", "The step pip failed (thing happened): read /r/build/x.job/log on the host"),
    ("", "The step pip failed (it said nothing)"),
]


@pytest.mark.parametrize(("text", "words"), CASES, ids=range(len(CASES)))
def test_sentence(text: str, words: str) -> None:
    sentence = explain(text, "create" if "libmamba" in text else "pip")
    assert words in sentence
    assert sentence.endswith("; the environment in use is untouched.")


def test_nothing_in_use_is_said_as_well() -> None:
    assert explain("", in_use=False).endswith("; nothing was left behind.")


def test_addition_that_cannot_be_carried_over_is_named() -> None:
    text = "ERROR: No matching distribution found for mine==1.0"
    sentence = explain(text, "extras", extras=["ffmpeg=7.0", "mine==1.0"])
    assert sentence.startswith("Your own mine==1.0 cannot be installed in the new environment (The source http://m/")
    assert "-e conda_env_keep_extras=false" in sentence


def test_additions_of_which_none_is_named_are_all_told() -> None:
    sentence = explain("killed", "extras", extras=["ffmpeg=7.0", "mine==1.0"])
    assert sentence.startswith("One of your own ffmpeg=7.0, mine==1.0 cannot be installed")


def test_step_that_was_killed_has_no_last_line() -> None:
    sentence = environment_errors.explain(["gpulab: create"], ABOUT)
    assert sentence.startswith("The step that makes the environment failed (it said nothing)")


def test_pips_own_index_has_no_url() -> None:
    assert "The source pip's package index has no file" in explain(CASES[-7][0], "pip", wheels="")
