"""Training steps of PyTorch on the CPU, fp32: forward, backward and Adam on 64 images of 28×28 pixels.

python3 pytorch.py THREADS STEPS. A line a network: its name, and the median milliseconds of a step in CPU time of all threads and
in elapsed time.
"""

import statistics
import sys
import time

import torch
from torch import nn

threads, steps = int(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(threads)
torch.manual_seed(1)


def lenet5():
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def perceptron():
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)),
    )


def normalised(inputs, outputs, kernel=3, stride=1):
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


def vgg_small():
    layers, inputs = [], 1
    for outputs in (32, 64, 128):
        layers += [normalised(inputs, outputs), nn.ReLU(), normalised(outputs, outputs), nn.ReLU(), nn.MaxPool2d(2)]
        inputs = outputs
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 9, 10))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(normalised(inputs, outputs, stride=stride), nn.ReLU(), normalised(outputs, outputs))
        self.shortcut = normalised(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, images):
        return torch.relu(self.body(images) + self.shortcut(images))


def resnet8():
    blocks = [Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2)]
    return nn.Sequential(
        *(normalised(1, 16), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)),
    )


images, labels = torch.rand(64, 1, 28, 28), torch.randint(0, 10, (64,))
networks = {"LeNet-5": lenet5, "perceptron": perceptron, "VGG-small": vgg_small, "ResNet-8": resnet8}
for name, network in networks.items():
    network = network()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    cpu, elapsed = [], []
    for step in range(steps + 3):
        start = (time.process_time(), time.perf_counter())
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
        if step >= 3:  # The first ones allocate.
            cpu.append(time.process_time() - start[0])
            elapsed.append(time.perf_counter() - start[1])
    print(f"{name}\t{statistics.median(cpu) * 1e3:.2f}\t{statistics.median(elapsed) * 1e3:.2f}", flush=True)
