# Exports networks with PyTorch 2.15 and onnx, and what PyTorch computes with them:
# python export.py ../state_dict/digits.safetensors
import sys, numpy as np, onnx, torch
from torch.nn.functional import avg_pool2d, max_pool2d, relu
from safetensors.torch import load_file


class Digits(torch.nn.Module):
    """The network of ../state_dict."""

    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 6, 3, padding=1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(6)
        self.conv2 = torch.nn.Conv2d(6, 12, 3)
        self.fc = torch.nn.Linear(12 * 2 * 2, 10)

    def forward(self, x):
        x = max_pool2d(relu(self.bn1(self.conv1(x))), 2)
        return self.fc(relu(self.conv2(x)).flatten(1))


class Residual(torch.nn.Module):
    """A residual network with a shortcut of its own, groups, and both kinds of pooling; random weights and statistics."""

    def __init__(self):
        super().__init__()
        conv, norm = torch.nn.Conv2d, torch.nn.BatchNorm2d
        self.stem, self.stem_norm = conv(2, 4, 3, padding=1, bias=False), norm(4)
        self.a, self.a_norm = conv(4, 4, 3, padding=1, groups=2), norm(4)
        self.b, self.b_norm = conv(4, 4, 3, padding=1), norm(4)
        self.short, self.short_norm = conv(4, 6, 1, stride=2), norm(6)
        self.c, self.c_norm = conv(4, 6, 3, stride=2, padding=1), norm(6)
        self.d = conv(6, 6, 3, padding=1)
        self.hidden, self.out = torch.nn.Linear(6, 5, bias=False), torch.nn.Linear(5, 3)

    def forward(self, x):
        x = max_pool2d(relu(self.stem_norm(self.stem(x))), 2)
        x = relu(self.b_norm(self.b(relu(self.a_norm(self.a(x))))) + x)
        x = relu(self.d(relu(self.c_norm(self.c(x)))) + self.short_norm(self.short(x)))
        x = torch.nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.out(relu(self.hidden(x)))


def export(net, name, image, dynamo):
    torch.onnx.export(net, (image,), name, input_names=["image"], output_names=["scores"], dynamo=dynamo,
                      **({"external_data": False} if dynamo else {}))
    # Without the exporter's notes on where the source stands and what it did.
    model = onnx.load(name)
    for part in (model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        part.doc_string = ""
        del part.metadata_props[:]
    del model.graph.value_info[:]
    onnx.save(model, name)


torch.manual_seed(3)
digits, residual = Digits(), Residual()
digits.load_state_dict(load_file(sys.argv[1]))
for module in residual.modules():
    if isinstance(module, torch.nn.BatchNorm2d):
        for tensor in (module.weight, module.bias, module.running_mean):
            torch.nn.init.uniform_(tensor, 0.2, 0.9)
        torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
digits.eval(), residual.eval()
for dynamo in (False, True):
    kind = "dynamo" if dynamo else "script"
    export(digits, f"digits-{kind}.onnx", torch.zeros(1, 1, 8, 8), dynamo)
    export(residual, f"residual-{kind}.onnx", torch.zeros(1, 2, 8, 8), dynamo)
images = torch.rand(6, 2, 8, 8)
with torch.no_grad():
    np.save("residual-images.npy", images.numpy())
    np.save("residual-scores.npy", residual(images).numpy())
