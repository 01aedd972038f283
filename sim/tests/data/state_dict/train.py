# Trains the network of this folder on the embedded digits with PyTorch 2.15:
# python train.py ../../../data/digits digits.safetensors scores.npy
import gzip, struct, sys, numpy as np, torch
from safetensors.torch import save_file
def idx(path):
    data = gzip.open(path).read()
    rank = data[3]; dims = struct.unpack(">%dI" % rank, data[4:4+4*rank])
    return np.frombuffer(data[4+4*rank:], np.uint8).reshape(dims)
folder = sys.argv[1]
torch.manual_seed(1); torch.set_num_threads(1)
x = torch.tensor(idx(folder + "/train-images-idx3-ubyte.gz") / 255.0, dtype=torch.float32)[:, None]
y = torch.tensor(idx(folder + "/train-labels-idx1-ubyte.gz").astype(np.int64))
tx = torch.tensor(idx(folder + "/t10k-images-idx3-ubyte.gz") / 255.0, dtype=torch.float32)[:, None]
ty = torch.tensor(idx(folder + "/t10k-labels-idx1-ubyte.gz").astype(np.int64))
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 6, 3, padding=1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(6)
        self.conv2 = torch.nn.Conv2d(6, 12, 3)
        self.fc = torch.nn.Linear(12 * 2 * 2, 10)
    def forward(self, x):
        x = torch.nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 2)
        return self.fc(torch.relu(self.conv2(x)).flatten(1))
net = Net(); opt = torch.optim.Adam(net.parameters(), 3e-3)
for epoch in range(25):
    for batch in torch.randperm(len(x)).split(32):
        opt.zero_grad(); torch.nn.functional.cross_entropy(net(x[batch]), y[batch]).backward(); opt.step()
net.eval()
with torch.no_grad():
    scores = net(tx)
print("test accuracy", (scores.argmax(1) == ty).float().mean().item())
save_file({k: v.contiguous() for k, v in net.state_dict().items()}, sys.argv[2])
np.save(sys.argv[3], scores[:32].numpy())
