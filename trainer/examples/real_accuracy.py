"""The accuracies of real numbers that `real_accuracy.rs` finds, by PyTorch: a check that shares no code with it.

python3 real_accuracy.py FOLDER_WITH_IDX_FILES IMAGES WEIGHTS.safetensors …
"""

import gzip
import json
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as functional


def tensors(path):
    data = open(path, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header, data = json.loads(data[8 : 8 + length]), data[8 + length :]
    layers = json.loads(header.pop("__metadata__")["axtrain"])["layers"]

    def tensor(name):
        entry = header[name]
        start, end = entry["data_offsets"]
        return torch.tensor(np.frombuffer(data[start:end], np.float32).reshape(entry["shape"]).copy())

    return layers, tensor


def idx(path):
    data = gzip.open(path).read()
    shape = struct.unpack(">" + "I" * data[3], data[4 : 4 + 4 * data[3]])
    return np.frombuffer(data[4 + 4 * data[3] :], np.uint8).reshape(shape)


folder, count, paths = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
images = idx(f"{folder}/t10k-images-idx3-ubyte.gz")[:count].astype(np.int64)
labels = idx(f"{folder}/t10k-labels-idx1-ubyte.gz")[:count]
pixels = torch.tensor(((images * 127 + 127) // 255).astype(np.float32) / 127)[:, None]
for path in paths:
    layers, tensor = tensors(path)
    outputs = []
    for number, layer in enumerate(layers):
        source = layer.get("source", number - 1)
        taken = pixels if source < 0 else outputs[source]
        weight, bias = tensor(f"layers.{number}.weight_float"), tensor(f"layers.{number}.bias_float")
        if layer["kind"] == "dense":
            sums = functional.linear(taken.flatten(1), weight, bias)
        else:
            geometry = {key: layer[key] for key in ("stride", "padding", "groups")}
            sums = functional.conv2d(taken, weight, bias, **geometry)
        if "residual" in layer:
            sums = sums + outputs[layer["residual"]]
        if number + 1 < len(layers) and not layer.get("linear", False):
            sums = functional.relu(sums)
        if layer["pooling"]:
            pool = functional.max_pool2d if layer["pooling"]["kind"] == "maximum" else functional.avg_pool2d
            sums = pool(sums, tuple(layer["pooling"]["window"]), tuple(layer["pooling"]["stride"]))
        outputs.append(sums)
    right = (outputs[-1].argmax(1).numpy() == labels).mean()
    print(f"{path}: real {100 * right:.2f}")
