"""nvidia_driver_proof and driver_cuda: a host in a folder, with a stand-in libcuda that is a real shared library.

The library is compiled here; it stands for NVIDIA's, answers from main memory, and can fail, lie, crash or hang.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import driver_cuda, driver_proof
from ansible_collections.gpulab.core.plugins.modules import nvidia_driver_proof

from tests.support.fake_host import KERNEL, VERSION, FakeHost, put_on, rich, run_module

STAND_IN = r"""
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int chance(const char *name) {
    const char *bad = getenv("STAND_IN_CALL"), *how = getenv("STAND_IN_HOW");
    if (!bad || strcmp(bad, name)) return 0;
    if (!strcmp(how, "crash")) abort();
    if (!strcmp(how, "hang")) sleep(600);
    return atoi(how);
}
#define CALL(name) int code = chance(name); if (code) return code
int cuInit(unsigned flags) { CALL("cuInit"); return 0; }
int cuDriverGetVersion(int *version) { CALL("cuDriverGetVersion"); *version = 12020; return 0; }
int cuDeviceGetCount(int *count) { CALL("cuDeviceGetCount"); *count = 1; return 0; }
int cuDeviceGet(int *device, int number) { CALL("cuDeviceGet"); *device = 40 + number; return 0; }
int cuDeviceGetName(char *name, int size, int device) {
    CALL("cuDeviceGetName"); strncpy(name, "Stand-in", size); return 0; }
int cuCtxCreate_v2(void **context, unsigned flags, int device) {
    CALL("cuCtxCreate_v2"); *context = malloc(1); return 0; }
int cuCtxDestroy_v2(void *context) { CALL("cuCtxDestroy_v2"); free(context); return 0; }
int cuMemAlloc_v2(unsigned long long *place, size_t size) {
    CALL("cuMemAlloc_v2"); *place = (unsigned long long)malloc(size); return 0; }
int cuMemcpyHtoD_v2(unsigned long long place, const void *from, size_t size) {
    CALL("cuMemcpyHtoD_v2"); memcpy((void *)place, from, size); return 0; }
int cuMemcpyDtoH_v2(void *to, unsigned long long place, size_t size) {
    CALL("cuMemcpyDtoH_v2"); memcpy(to, (void *)place, size);
    if (getenv("STAND_IN_LIES")) ((char *)to)[size - 1] ^= 1;
    return 0; }
int cuMemFree_v2(unsigned long long place) { CALL("cuMemFree_v2"); free((void *)place); return 0; }
"""
SMI = r"""
case "$*" in
"") echo "| NVIDIA-SMI 535.309.01   Driver Version: 535.309.01   CUDA Version: 12.2 |" ;;
-L) echo "GPU 0: Tesla T4 (UUID: GPU-0)" ;;
*) echo 535.309.01 ;;
esac"""


@pytest.fixture(scope="session")
def libcuda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in, compiled."""
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("libcuda")
    (folder / "stand_in.c").write_text(STAND_IN)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "libcuda.so.1", "stand_in.c"], cwd=folder, check=True)
    return folder


@pytest.fixture
def host(libcuda: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A host where all is well."""
    host = put_on(rich(tmp_path), monkeypatch)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(libcuda))
    host.command("nvidia-smi", SMI)
    for name in ("nvidiactl", "nvidia-uvm"):
        host.file(f"/dev/{name}")
    host.file(f"/boot/vmlinuz-{KERNEL}")
    host.command("grubby", "exit 1")

    def there(*options: Any) -> Any:
        return Proof(*options, root=str(host.root))

    Proof = nvidia_driver_proof.Proof
    monkeypatch.setattr(nvidia_driver_proof, "Proof", there)
    return host


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    """Run the module in this process; returns its result, with the steps by name."""
    answer = run_module(nvidia_driver_proof, capsys, options)
    return {**answer, "steps": {step["name"]: step for step in answer["steps"]}}


@pytest.mark.usefixtures("host")
def test_a_good_host_is_proven(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, expected_version=VERSION)
    assert {name: step["ok"] for name, step in result["steps"].items()} == {
        **dict.fromkeys(("versions", "nvidia_smi", "devices", "cuda", "kernel_log", "next_boot"), True),
        **dict.fromkeys(("samples", "framework")),
    }
    assert result["steps"]["cuda"]["detail"] == "CUDA 12.2: memory of Stand-in copied there and back."
    assert (result["proven"], result["changed"]) == (True, False)
    assert result["versions"] == {"loaded": VERSION, "on_disk": VERSION, "userspace": VERSION}


@pytest.mark.parametrize(
    ("call", "how", "detail"),
    [
        ("cuInit", "803", "cuInit returned 803: " + driver_proof.CUDA_CODES[803] + "."),
        ("cuMemAlloc_v2", "2", "cuMemAlloc_v2 returned 2: " + driver_proof.CUDA_CODES[2] + "."),
        ("cuCtxCreate_v2", "crash", "CUDA was ended by signal 6 in cuCtxCreate_v2."),
        ("cuMemcpyDtoH_v2", "hang", "CUDA did not come back from cuMemcpyDtoH_v2."),
    ],
)
@pytest.mark.usefixtures("host")
def test_cuda_that_fails_crashes_or_hangs(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    how: str,
    detail: str,
) -> None:
    monkeypatch.setenv("STAND_IN_CALL", call)
    monkeypatch.setenv("STAND_IN_HOW", how)
    result = run(capsys, timeout=5 if how == "hang" else 60)
    assert result["steps"]["cuda"]["detail"] == detail
    assert result["proven"] is False
    assert result["steps"]["framework"]["skipped"] == "it rests on cuda, which failed"


@pytest.mark.usefixtures("host")
def test_memory_that_lies(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_LIES", "1")
    step = run(capsys)["steps"]["cuda"]
    assert step["detail"] == "A pattern came back changed from the memory of GPU 0 (Stand-in)."


def test_no_libcuda_at_all(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_cuda, "LIBRARY", "libcuda.so.never")
    driver_cuda.main()
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["failed"] == "libcuda.so.never"
    assert "cannot open shared object file" in last["reason"]


def test_stale_module_fails_at_once_and_the_rest_is_skipped(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.file("/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.256.02  Oct\n")
    result = run(capsys)
    assert "/proc/driver/nvidia/version 470.256.02" in result["steps"]["versions"]["detail"]
    assert result["steps"]["cuda"]["skipped"] == "it rests on versions, which failed"
    assert result["steps"]["kernel_log"]["ok"] is True


def test_samples_and_framework_run_where_they_are(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.prints("deviceQuery", "Result = PASS\n")
    host.command("python-with-torch", f'exec {sys.executable} "$@"')
    result = run(capsys, framework_python=str(host.bin / "python-with-torch"))
    assert result["steps"]["samples"]["detail"] == "deviceQuery passed."
    # The Python of these tests has none; that the program reaches it is what shows here.
    assert result["steps"]["framework"]["skipped"] == "this Python has no torch"
    assert result["proven"] is True


FAKE_TORCH = """
class Tensor:
    def __matmul__(self, other): return self
    def sum(self): return self
    def item(self): return float({total})
class version: cuda = {cuda!r}
class cuda:
    is_available = staticmethod(lambda: {available})
    get_device_name = staticmethod(lambda _number: "Stand-in")
__version__ = "9.9"
def ones(*_size, device): return Tensor()
"""


@pytest.mark.parametrize(
    ("total", "cuda", "available", "ok", "words"),
    [
        (1024**3, "12.8", True, True, "torch 9.9 multiplied on Stand-in"),
        (7, "12.8", True, False, "AssertionError: a product of ones sums to 7.0"),
        (1024**3, "12.8", False, False, "AssertionError: torch.cuda.is_available() is False"),
        (1024**3, None, False, None, "this torch is built without CUDA"),
    ],
)
def test_framework_program(
    host: FakeHost,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    total: int,
    cuda: str | None,
    available: bool,
    ok: bool | None,
    words: str,
) -> None:
    """With a module that stands for torch."""
    torch = host.file("/site/torch.py", FAKE_TORCH.format(total=total, cuda=cuda, available=available))
    monkeypatch.setenv("PYTHONPATH", str(torch.parent))
    step = run(capsys, framework_python=sys.executable)["steps"]["framework"]
    assert step["ok"] is ok
    assert words in (step["skipped"] or step["detail"])


def test_the_log_counts_from_a_time_on(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.prints("dmesg", "[   50.0] NVRM: API mismatch: the client has the version 535.1, but\n")
    assert run(capsys, since=10.0)["proven"] is False
    assert run(capsys, since=60.0)["proven"] is True


def test_kernel_of_the_next_start_needs_its_module(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    host.file("/boot/vmlinuz-5.10.0-9-amd64")
    host.link("/vmlinuz", "boot/vmlinuz-5.10.0-9-amd64")
    step = run(capsys)["steps"]["next_boot"]
    assert (step["ok"], step["detail"]) == (False, f"The module for kernel 5.10.0-9-amd64 is missing, not {VERSION}.")
