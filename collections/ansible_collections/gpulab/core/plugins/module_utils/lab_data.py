# Copyright (c) 2026 the gpulab authors. MIT License (see LICENSE)
"""MNIST where a notebook looks for it, so that it downloads nothing. Python 3.6+, standard library only."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import gzip
import os
import shutil

from ansible_collections.gpulab.core.plugins.module_utils import idx_files

PROCESSED = ("processed/training.pt", "processed/test.pt")
"""What torchvision before 0.4 reads; the environment's own torch has to write these."""


def wanted(layout):
    """[(path beside the notebook, path in the folder of MNIST)] of a layout.

    idx: data/NAME. torchvision: data/MNIST/raw/NAME. torchvision-0.2: data/processed/*.pt.
    tensorflow: MNIST_data/NAME.gz, as its read_data_sets has it.
    """
    if layout == "torchvision-0.2":
        return [("data/" + name, name) for name in PROCESSED]
    folder, suffix = {"idx": ("data", ""), "torchvision": ("data/MNIST/raw", ""), "tensorflow": ("MNIST_data", ".gz")}[
        layout
    ]
    return [("%s/%s%s" % (folder, name, suffix), name + suffix) for name in idx_files.NAMES]


def missing(folder, layouts):
    """The pairs of `wanted` that are not there yet. What is there is left alone, whoever put it there."""
    pairs = [pair for layout in layouts for pair in wanted(layout)]
    return [pair for pair in pairs if not os.path.exists(os.path.join(folder, pair[0]))]


def compress(path):
    """Make PATH.gz in one step; quick rather than small, as it never travels."""
    with (
        open(path, "rb") as source,
        open(path + ".gz.part", "wb") as target,
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=target, mtime=0) as packed,
    ):
        shutil.copyfileobj(source, packed)
    os.rename(path + ".gz.part", path + ".gz")


def lay(folder, pairs, mnist):
    """Put links to the files in `mnist` where the notebook looks; one copy of the data serves all labs."""
    for there, name in pairs:
        source, target = os.path.join(mnist, name), os.path.join(folder, there)
        if name.endswith(".gz") and not os.path.exists(source):
            compress(source[: -len(".gz")])
        if not os.path.isdir(os.path.dirname(target)):
            os.makedirs(os.path.dirname(target))
        if os.path.islink(target):  # a link to what is gone
            os.unlink(target)
        os.symlink(source, target)
