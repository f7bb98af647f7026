"""The environment of the 2017 course on a real host: TensorFlow 0.12.1 under Python 3.6, and a notebook of its day."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rehearsal import conda_channel, settings
from tests.environment.conftest import ROOT, Host, result
from tests.environment.test_labs import local

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.slow,
    pytest.mark.skipif("3.6" not in conda_channel.interpreters(), reason="this machine has no Python 3.6 to package"),
]

LINK = f"{ROOT}/envs/carnd-2017"
CELLS = (
    """\
import numpy
import tensorflow as tf
from tensorflow.contrib.layers import flatten
from tensorflow.examples.tutorials.mnist import input_data

mnist = input_data.read_data_sets("MNIST_data/", reshape=False)
print(tf.__version__, mnist.train.images.shape, mnist.validation.images.shape, mnist.test.images.shape)""",
    """\
EPOCHS, BATCH = 2, 64

numpy.random.seed(0)
tf.set_random_seed(0)


def weights(*shape):
    return tf.Variable(tf.truncated_normal(shape, stddev=0.1))


def pooled(layer, kernel):
    bias = tf.Variable(tf.zeros(kernel.get_shape()[3]))
    layer = tf.nn.relu(tf.nn.conv2d(layer, kernel, [1, 1, 1, 1], "VALID") + bias)
    return tf.nn.max_pool(layer, [1, 2, 2, 1], [1, 2, 2, 1], "VALID")


x = tf.placeholder(tf.float32, (None, 28, 28, 1))
y = tf.placeholder(tf.int32, (None,))
layer = tf.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]])
layer = flatten(pooled(pooled(layer, weights(5, 5, 1, 6)), weights(5, 5, 6, 16)))
for n, (before, after) in enumerate([(400, 120), (120, 84), (84, 10)]):
    layer = tf.matmul(tf.nn.relu(layer) if n else layer, weights(before, after)) + tf.Variable(tf.zeros(after))
train = tf.train.AdamOptimizer(0.0015).minimize(
    tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(layer, y)))
right = tf.reduce_mean(tf.cast(tf.equal(tf.cast(tf.argmax(layer, 1), tf.int32), y), tf.float32))""",
    """\
session = tf.Session()
session.run(tf.global_variables_initializer())
for epoch in range(EPOCHS):
    for _ in range(mnist.train.num_examples // BATCH):
        images, labels = mnist.train.next_batch(BATCH)
        session.run(train, {x: images, y: labels})
    accuracy = session.run(right, {x: mnist.validation.images, y: mnist.validation.labels})
    print("epoch {} validation accuracy = {:.4f}".format(epoch + 1, accuracy), flush=True)""",
    """\
print("test accuracy = {:.4f}".format(session.run(right, {x: mnist.test.images, y: mnist.test.labels})))""",
)
"""LeNet-5 as the course built it, with what TensorFlow 0.12 had and later ones have not; few epochs, small batches."""


@pytest.fixture(scope="module")
def environment(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The profile's environment, made on the host; the folder with the result of that run."""
    subprocess.run([sys.executable, "-m", "rehearsal.mirror", "carnd-2017"], cwd=settings.ROOT, check=True)
    work = tmp_path_factory.mktemp("carnd-2017")
    host.play("conda_env", work, gpu_profile="carnd-2017", gpulab_environment=LINK).ok()
    return work


def test_tensorflow_of_the_course_imports(host: Host, environment: Path) -> None:
    made = result(environment)
    assert made["python"].startswith("3.6.")
    assert made["imports"]["tensorflow"] == "0.12.1"
    assert made["imports"]["keras"] == "1.2.1"
    assert made["fixed"] == []
    again = host.play("conda_env", environment, gpu_profile="carnd-2017", gpulab_environment=LINK).ok()
    assert again.changed == {host.name: 0}


@pytest.mark.usefixtures("environment")
def test_notebook_of_its_day_reaches_its_accuracy(host: Host, tmp_path: Path) -> None:
    lab: dict[str, Any] = local(tmp_path / "lenet-of-2017", *CELLS) | {"data": ["tensorflow"]}
    lab |= {"values": {"accuracy": "test accuracy = ([0-9.]+)"}, "assertions": {"accuracy": {"minimum": 0.98}}}
    given = {"course_labs_labs": [lab], "gpulab_environment": LINK, "gpu_profile": "carnd-2017"}
    run = host.play("course_labs", tmp_path / "run", **given).ok()
    assert "0.12.1 (55000, 28, 28, 1) (5000, 28, 28, 1) (10000, 28, 28, 1)" in host.sh(
        "cat ~/notebooks/lenet-of-2017/outputs/lab.ipynb"
    )
    assert "epoch 1 validation accuracy" in run.output
