"""Execute a notebook cell by cell without a browser, keep what it shows, and judge what it found.

    python run_notebook.py SPEC.json

SPEC: {notebook, folder, output, page, result_file, key, parameters, values, assertions, timeout, cell_timeout}.
The notebook is read and never written; it runs in `folder`. After every cell, and whatever happens, `output` (.ipynb)
holds what was shown so far; `page` (.html) and `result_file` (.json) come at the end. Exit code 0: passed, 1: a cell or
an assertion failed, 2: it could not begin.

It stands on nbclient alone. papermill would bring a dozen packages into an environment that is pinned to 2017, and its
last version for Python 3.6 is years older than the one for today. Python 3.6 to 3.13.
"""

import json
import os
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

PARAMETERS_TAG = "parameters"
"""papermill's tag for the cell that holds the defaults; the values that are given go into a cell right behind it."""
INJECTED_TAG = "injected-parameters"
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class NotebookFailed(Exception):
    """A cell did not end well. `kind`: what Python calls it; `text`: one line; `traceback`: without colours."""

    def __init__(self, kind, text, traceback=""):
        """Keep the traceback beside the sentence."""
        super().__init__(f"{kind}: {text}" if text else kind)
        self.traceback = traceback


def plain(text):
    """Text without a terminal's colours."""
    return _CONTROL.sub("", text)


def head(source):
    """The first line of a cell that says something: code if there is any, else a comment or a magic command."""
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    code = [line for line in lines if not line.startswith(("#", "%"))]
    return (code or lines or [""])[0][:100]


def parameter_source(parameters):
    """Python assignments, one a line, of JSON values. Raises ValueError for what is no name."""
    for name in parameters:
        if not name.isidentifier():
            raise ValueError(f"{name!r} is no name of a Python variable: rename this parameter.")
    return "# Parameters\n" + "\n".join(f"{name} = {parameters[name]!r}" for name in sorted(parameters))


def inject(notebook, cell):
    """Put the cell with the parameters behind the one tagged so, else before the first code cell, in place."""
    kinds = [other.cell_type for other in notebook.cells]
    place = kinds.index("code") if "code" in kinds else len(kinds)
    for number, other in enumerate(notebook.cells):
        if PARAMETERS_TAG in other.metadata.get("tags", []):
            place = number + 1
    notebook.cells.insert(place, cell)


def shown_text(cells):
    """All text that code cells show: streams and plain results, in order."""
    texts = []
    for output in (output for cell in cells if cell.cell_type == "code" for output in cell.outputs):
        if output.output_type == "stream":
            texts.append(output.text)
        elif "data" in output:
            texts.append(output.data.get("text/plain", ""))
    return plain("\n".join(texts))


def find_values(text, patterns):
    """{name: number} by each pattern's last match: its one group, or the quotient of its two. Others are left out."""
    values = {}
    for name, pattern in patterns.items():
        matches = list(re.finditer(pattern, text))
        if matches:
            numbers = [float(group) for group in matches[-1].groups()]
            values[name] = numbers[0] / numbers[1] if len(numbers) == 2 else numbers[0]
    return values


def judge(values, assertions):
    """A sentence for each assertion ({name: {minimum, maximum}}) that does not hold."""
    missed = []
    for name, limits in sorted(assertions.items()):
        if name not in values:
            missed.append(f"no output gives {name}")
        elif "minimum" in limits and not values[name] >= limits["minimum"]:
            missed.append(f"{name} is {values[name]:g}, expected at least {limits['minimum']:g}")
        elif "maximum" in limits and not values[name] <= limits["maximum"]:
            missed.append(f"{name} is {values[name]:g}, expected at most {limits['maximum']:g}")
    return missed


def replace(path, text):
    """Write a file in one step, so that a killed run leaves the old one or the new one."""
    part = Path(path + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def say(text):
    """One line of progress, at once."""
    print(text, flush=True)


def isolate(scratch):
    """Keep the user's kernels, IPython settings and start-up files out: the kernel is this environment's python3."""
    for name in ("JUPYTER_PATH", "PYTHONSTARTUP"):
        os.environ.pop(name, None)
    os.environ["JUPYTER_DATA_DIR"] = str(Path(sys.prefix, "share", "jupyter"))
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        os.environ[name] = str(Path(scratch, name))
    # The programs that a notebook starts with "!" are this environment's too.
    os.environ["PATH"] = str(Path(sys.prefix, "bin")) + os.pathsep + os.environ.get("PATH", os.defpath)


def make_client(notebook, folder, number):
    """nbclient's client, which in addition says what a cell prints; `number` is a function that gives "3/12"."""
    from nbclient import NotebookClient

    class Client(NotebookClient):
        def output(self, outs, msg, display_id, cell_index):
            if msg["msg_type"] == "stream":
                for line in plain(msg["content"]["text"]).splitlines():
                    if line.strip():
                        say(f"cell {number()} says: {line.rstrip()[:200]}")
            return super().output(outs, msg, display_id, cell_index)

    resources = {"metadata": {"path": folder}}
    # The kernel warns at every start that it listens on 127.0.0.1.
    quiet = ["--IPKernelApp.log_level=40"]
    return Client(notebook, kernel_name="python3", resources=resources, record_timing=False, extra_arguments=quiet)


def execute_cell(client, cell, index, limit):
    """Run one cell for at most `limit` seconds. Raises NotebookFailed."""
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    if limit <= 0:
        raise NotebookFailed("TimeoutError", "the notebook's time was over before this cell")
    client.timeout = max(1, int(limit))
    try:
        client.execute_cell(cell, index)
    except CellTimeoutError:
        raise NotebookFailed("TimeoutError", f"it ran longer than its limit of {limit:.0f} seconds") from None
    except DeadKernelError:
        raise NotebookFailed("DeadKernelError", "the kernel ended; the host may be out of memory") from None
    except CellExecutionError as error:
        shown = [output for output in cell.outputs if output.output_type == "error"]
        if not shown:
            raise NotebookFailed("CellExecutionError", plain(str(error)).strip().splitlines()[-1]) from None
        text = plain(shown[-1].evalue).strip().splitlines()
        raise NotebookFailed(shown[-1].ename, text[0] if text else "", plain("\n".join(shown[-1].traceback))) from None


def execute(notebook, spec, save):
    """Run the code cells in order, saving after each: (cells that ran, None or what is known of a failed one)."""
    code = [(n, cell) for n, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]
    done, deadline = 0, time.time() + spec["timeout"]
    client = make_client(notebook, spec["folder"], lambda: f"{done + 1}/{len(code)}")
    with client.setup_kernel():
        for index, cell in code:
            began, line = time.time(), head(cell.source)
            try:
                execute_cell(client, cell, index, min(spec["cell_timeout"] or spec["timeout"], deadline - began))
            except NotebookFailed as error:
                say(f"cell {done + 1}/{len(code)} failed after {time.time() - began:.1f} s: {line}")
                failed = {"number": done + 1, "line": line, "source": cell.source}
                return done, dict(failed, error=str(error), traceback=error.traceback)
            finally:
                save()
            done += 1
            say(f"cell {done}/{len(code)} {time.time() - began:.1f} s: {line}")
    return done, None


def load(spec):
    """The notebook of a spec, without old outputs, with its parameters. Raises what nbformat raises, and ValueError."""
    import nbformat

    notebook = nbformat.read(spec["notebook"], as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    if spec["parameters"]:
        cell = nbformat.v4.new_code_cell(parameter_source(spec["parameters"]), metadata={"tags": [INJECTED_TAG]})
        if notebook.nbformat_minor < 5:
            cell.pop("id", None)  # that format knows none
        inject(notebook, cell)
    return notebook


def run(spec):
    """Run the notebook as the spec says; the result that is also written. Raises what keeps it from beginning."""
    import nbformat
    from nbconvert import HTMLExporter

    began = time.time()
    notebook = load(spec)

    def save():
        replace(spec["output"], nbformat.writes(notebook) + "\n")

    save()
    try:
        cells, failed = execute(notebook, spec, save)
    finally:
        replace(spec["page"], HTMLExporter().from_notebook_node(notebook)[0])
    values = find_values(shown_text(notebook.cells), spec["values"])
    result = {"key": spec["key"], "cells": cells, "seconds": round(time.time() - began, 1), "values": values}
    error = "; ".join(judge(values, spec["assertions"]))
    if failed:
        result["failed_cell"] = failed
        error = f"cell {failed['number']} ({failed['line']}) failed: {failed['error']}"
    if error:
        result["error"] = error
    result["passed"] = not error
    replace(spec["result_file"], json.dumps(result, indent=1, sort_keys=True) + "\n")
    return result


def main(arguments):
    """Exit code; see above."""
    # So that what was shown is saved when the whole job is stopped.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    spec = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="notebook-") as scratch:
        isolate(scratch)
        try:
            result = run(spec)
        except Exception as error:  # whatever it is, it has to be one sentence
            say(f"{spec['notebook']} cannot be run: {type(error).__name__}: {plain(str(error))[:500]}")
            return 2
    for name in sorted(result["values"]):
        say(f"{name} = {result['values'][name]:g}")
    if not result["passed"]:
        say(result["error"])
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
