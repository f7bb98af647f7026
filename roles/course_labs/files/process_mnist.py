"""Write MNIST in the form that torchvision before 0.4 reads: pairs of (images, labels) as torch saves them.

    python process_mnist.py FOLDER

FOLDER holds the four uncompressed IDX files; processed/training.pt and processed/test.pt are made in it. Run by the
environment's own python, as torch's file format has changed since. Python 3.6+.
"""

import sys
from pathlib import Path

import numpy
import torch


def read(path):
    """An IDX file of unsigned bytes, as a uint8 array of its shape."""
    raw = path.read_bytes()
    shape = numpy.frombuffer(raw, ">u4", count=raw[3], offset=4)
    return numpy.frombuffer(raw, numpy.uint8, offset=4 + 4 * raw[3]).reshape(shape).copy()


def main(folder):
    """Make both files, each in one step."""
    target = folder / "processed"
    target.mkdir(exist_ok=True)
    for prefix, name in (("train", "training.pt"), ("t10k", "test.pt")):
        images = torch.from_numpy(read(folder / (prefix + "-images-idx3-ubyte")))
        labels = torch.from_numpy(read(folder / (prefix + "-labels-idx1-ubyte"))).long()
        part = target / (name + ".part")
        with part.open("wb") as file:
            torch.save((images, labels), file)
        part.replace(target / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
