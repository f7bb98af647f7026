"""The nets, exactly the courses', as plain modules: what is trained and evaluated."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LENET_RATE = 0.001
"""Learning rate of the lab's Adam; the rest is TensorFlow's defaults, which are PyTorch's too."""
MLP_DROPOUT = 0.2
MLP_RATE = 0.01
"""Learning rate of the MLP's SGD."""


class LeNet(nn.Module):
    """LeNet-5 of the CarND lab. Input (n, 1, 32, 32) in 0..1, output (n, 10) logits.

    The lab pools after ReLU; ReLU after the pool gives the same values (max and ReLU commute)
    with a quarter of the work.
    """

    def __init__(self, generator: torch.Generator) -> None:
        """Weights from a normal of sigma 0.1 truncated at two sigma, as tf.truncated_normal; biases zero."""
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Sequential(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.trunc_normal_(parameter, std=0.1, a=-0.2, b=0.2, generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.relu(self.pool(self.conv1(images)))
        hidden = torch.relu(self.pool(self.conv2(hidden)))
        # The lab flattens in another order (channels last); with random weights that is the same net.
        return self.head(hidden.flatten(1))


class MLP(nn.Module):
    """The course's mnist_mlp, 784-512-512-10 with dropout 0.2. Input (n, 784) in 0..1, output (n, 10) logits."""

    def __init__(self, generator: torch.Generator) -> None:
        """Weights and biases uniform within 1/sqrt(inputs), as nn.Linear draws them."""
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(784, 512), nn.Linear(512, 512), nn.Linear(512, 10)
        self.dropout = nn.Dropout(MLP_DROPOUT)
        for layer in (self.fc1, self.fc2, self.fc3):
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.dropout(torch.relu(self.fc1(images)))
        hidden = self.dropout(torch.relu(self.fc2(hidden)))
        return self.fc3(hidden)
