"""Trains toy_alexnet, toy_vgg and toy_vit on ToyPets, measures them, and writes models/*.safetensors.

  node tools/toypets-dump.mjs DATA --single-train 10000 --several-train 10000 \
                                   --single-test 2000 --several-test 500 --catdog-test 100
  python3 tools/train_toy.py train DATA toy_vgg --epochs 5 --stop 3
  python3 tools/train_toy.py train DATA toy_alexnet --epochs 6
  node tools/toypets-dump.mjs DATA24 --single-train 24000 --several-train 24000 \
                                     --single-test 2000 --several-test 500 --catdog-test 100
  OMP_NUM_THREADS=1 python3 tools/train_toy.py train DATA24 toy_vit --steps 2000 --rate 2e-3 --threads 2
  python3 tools/train_toy.py measure DATA toy_vgg       # accuracy and localisation of the saved weights
  python3 tools/train_toy.py logits DATA                # writes models/toy_logits.json

Needs PyTorch 1.13 or later and NumPy; only whoever retrains the nets needs Python at all. The convolutional nets train
with batch norm, which is folded into the convolutions before they are saved. toy_vit, whose teacher is toy_vgg, was
trained with PyTorch 2.13.
"""
import argparse
import json
import pathlib
import struct
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from toy_vit import Muon, Teacher, ToyVit, VitTrainer, begin

MODELS = pathlib.Path(__file__).resolve().parent.parent / "models"
SIZE = 112
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


# ---- networks: module paths as torchvision's, so a layer table reads the same in both places ----


class Toy(nn.Module):
    def __init__(self, features, pooled, classifier):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d(pooled)
        self.classifier = classifier

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def conv(cin, cout, kernel, stride=1, padding=0, norm=False):
    """One convolution, with batch norm behind it while training, at one index of `features` either way."""
    layer = nn.Conv2d(cin, cout, kernel, stride, padding, bias=not norm)
    return nn.Sequential(layer, nn.BatchNorm2d(cout)) if norm else layer


def toy_alexnet(classes, norm):
    """AlexNet's five convolutions at the same indices, narrower, on 112 x 112; the last map is 13 x 13."""
    features = nn.Sequential(
        conv(3, 24, 7, 2, 3, norm), nn.ReLU(), nn.MaxPool2d(3, 2),
        conv(24, 48, 5, 1, 2, norm), nn.ReLU(), nn.MaxPool2d(3, 2),
        conv(48, 96, 3, 1, 1, norm), nn.ReLU(),
        conv(96, 96, 3, 1, 1, norm), nn.ReLU(),
        conv(96, 64, 3, 1, 1, norm), nn.ReLU(), nn.MaxPool2d(3, 2),
    )  # fmt: skip
    classifier = nn.Sequential(
        nn.Dropout(0.1), nn.Linear(64, 64), nn.ReLU(),
        nn.Dropout(0.1), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes),
    )  # fmt: skip
    return Toy(features, 1, classifier), 11


def toy_vgg(classes, norm):
    """VGG's 3 x 3 convolutions and 2 x 2 pools, four stages; pooled globally into one linear layer, so CAM applies."""
    features = nn.Sequential(
        conv(3, 12, 3, 1, 1, norm), nn.ReLU(), nn.MaxPool2d(2, 2),
        conv(12, 24, 3, 1, 1, norm), nn.ReLU(), nn.MaxPool2d(2, 2),
        conv(24, 48, 3, 1, 1, norm), nn.ReLU(), conv(48, 48, 3, 1, 1, norm), nn.ReLU(), nn.MaxPool2d(2, 2),
        conv(48, 96, 3, 1, 1, norm), nn.ReLU(), conv(96, 96, 3, 1, 1, norm), nn.ReLU(),
    )  # fmt: skip
    return Toy(features, 1, nn.Sequential(nn.Dropout(0.1), nn.Linear(96, classes))), 14


def toy_vit(classes, norm):
    """A vision transformer on 14 x 14 patches; no batch norm, and no index of `features` to explain."""
    return ToyVit(classes), None


NETWORKS = {"toy_alexnet": toy_alexnet, "toy_vgg": toy_vgg, "toy_vit": toy_vit}


def folded(net):
    """The state dict of `net` with every batch norm folded into the convolution before it, in float64."""
    if isinstance(net, ToyVit):
        return {name: value.detach().clone() for name, value in net.state_dict().items()}
    state = {}
    for i, module in enumerate(net.features):
        if isinstance(module, nn.Sequential):
            layer, norm = module
            gain = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
            state[f"features.{i}.weight"] = layer.weight.double() * gain.view(-1, 1, 1, 1)
            state[f"features.{i}.bias"] = norm.bias.double() - norm.running_mean.double() * gain
    for name, value in net.classifier.state_dict().items():
        state[f"classifier.{name}"] = value
    return {name: value.detach().float() for name, value in state.items()}


# ---- weights file ----


def save_safetensors(path, tensors, metadata):
    header, offset = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        end = offset + 4 * tensor.numel()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.contiguous().numpy().astype("<f4").tobytes())


def load_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__")
    return {
        name: torch.from_numpy(
            np.frombuffer(data, "<f4", offset=8 + length + e["data_offsets"][0], count=int(np.prod(e["shape"]))).copy()
        ).view(e["shape"])
        for name, e in header.items()
    }


def saved_net(name, classes):
    net, last = NETWORKS[name](classes, norm=False)
    net.load_state_dict(load_safetensors(MODELS / f"{name}.safetensors"))
    return net.eval(), last


# ---- data ----


def dataset(folder, name):
    info = json.loads((folder / f"{name}.json").read_text())
    size = info["size"]
    rgb = np.fromfile(folder / f"{name}.rgb", np.uint8).reshape(-1, size, size, 3)
    target = np.zeros((len(rgb), len(info["classes"])), np.float32)
    for row, picture in zip(target, info["pictures"]):
        row[picture["classIds"]] = 1
    return torch.from_numpy(rgb).permute(0, 3, 1, 2), torch.from_numpy(target), info


def preprocess(rgb):
    return (rgb.float() / 255 - MEAN) / STD


def augment(rgb, random):
    """Mirroring, shift, colour, and rectangles wiped out, so that the net learns the whole animal."""
    x = rgb.float() / 255
    if random.random() < 0.5:
        x = x.flip(3)
    dy, dx = random.integers(-7, 8, 2)
    padded = F.pad(x, (7, 7, 7, 7), mode="reflect")
    return recoloured(padded[:, :, 7 + dy : 7 + dy + SIZE, 7 + dx : 7 + dx + SIZE].contiguous(), random)


def recoloured(x, random):
    n = len(x)
    gain = torch.from_numpy(random.uniform(0.75, 1.25, (n, 3, 1, 1)).astype(np.float32))
    x = x * gain + torch.from_numpy(random.uniform(-0.08, 0.08, (n, 1, 1, 1)).astype(np.float32))
    for i in np.flatnonzero(random.random(n) < 0.4):
        h, w = random.integers(10, 34, 2)
        top, left = random.integers(0, SIZE - h), random.integers(0, SIZE - w)
        x[i, :, top : top + h, left : left + w] = torch.from_numpy(random.random((3, 1, 1)).astype(np.float32))
    return (x.clamp(0, 1) - MEAN) / STD


# ---- training ----


def training_data(folder):
    single, single_target, info = dataset(folder, "single_train")
    several, several_target, _ = dataset(folder, "several_train")
    return torch.cat([single, several]), torch.cat([single_target, several_target]), info["classes"]


def train(folder, name, epochs, rate, stop):
    torch.manual_seed(7)
    random = np.random.default_rng(7)
    rgb, target, classes = training_data(folder)
    net, _ = NETWORKS[name](len(classes), norm=True)
    net = net.to(memory_format=torch.channels_last)  # 1.4 times faster on a CPU
    batch, total = 64, epochs * (len(rgb) // 64)
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total, pct_start=0.2)
    began = time.time()
    for epoch in range(epochs):
        net.train()
        order = torch.from_numpy(random.permutation(len(rgb)))
        losses = []
        for start in range(0, len(rgb) - batch + 1, batch):
            rows = order[start : start + batch]
            x = augment(rgb[rows], random).to(memory_format=torch.channels_last)
            # Each class by itself: is it there? A softmax with its target shared out between the animals asks that
            # more cat must not raise "cat" over "dog". It reached the same accuracy with gradients that say nothing:
            # of a cat and a dog, Grad-CAM put more heat on the right one in 23 % of cases only.
            loss = F.binary_cross_entropy_with_logits(net(x), target[rows], reduction="sum") / batch
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        print(f"{name} epoch {epoch + 1}/{epochs} loss {np.mean(losses):.4f} {time.time() - began:.0f} s", flush=True)
        save_and_check(folder, name, net, classes)
        if epoch + 1 == stop:
            return


def train_vit(folder, steps, rate, workers):
    """Cut-outs of 10 x 10 patches first, whole pictures for the last 15 %; toy_vgg as a teacher: see toy_vit.py."""
    torch.manual_seed(7)
    torch.set_num_threads(1)
    random = np.random.default_rng(7)
    rgb, target, classes = training_data(folder)
    sample = preprocess(rgb[torch.from_numpy(random.permutation(len(rgb))[:500])])
    net = ToyVit(len(classes))
    begin(net, sample)
    teacher = Teacher(saved_net("toy_vgg", len(classes))[0], sample)
    trainer = VitTrainer(net, teacher, recoloured, workers, seed=7)
    matrices = [p for name, p in net.encoder.layers.named_parameters() if p.dim() == 2]
    chosen = {id(p) for p in matrices}
    others = [p for p in trainer.parameters if id(p) not in chosen]
    optimisers = [
        Muon(matrices, lr=10 * rate, weight_decay=0.02),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=1e-2),
    ]
    rates = [lambda step: min((step + 1) / 60, 1, (steps - step) / (0.7 * steps))] * 2
    schedules = [torch.optim.lr_scheduler.LambdaLR(o, f) for o, f in zip(optimisers, rates)]
    began, losses, batch, order = time.time(), [], 32, []
    for step in range(steps):
        if len(order) < batch:
            order = torch.from_numpy(random.permutation(len(rgb)))
        rows, order = order[:batch], order[batch:]
        losses.append(trainer.gradients(rgb[rows], target[rows], 10 if step < 0.85 * steps else 14))
        nn.utils.clip_grad_norm_(others, 5)
        for optimiser, schedule in zip(optimisers, schedules):
            optimiser.step()
            schedule.step()
        if (step + 1) % 50 == 0:
            recent = np.mean(losses[-50:], 0).round(3).tolist()
            print(f"{step + 1}/{steps} losses {recent} {time.time() - began:.0f} s", flush=True)
        if (step + 1) % 200 == 0:
            save("toy_vit", net, classes)
    save_and_check(folder, "toy_vit", net, classes)


def save_and_check(folder, name, net, classes):
    save(name, net, classes)
    saved = saved_net(name, len(classes))
    print("  accuracy", accuracy(folder, *saved), flush=True)
    print("  Grad-CAM", localisation(folder, *saved, "catdog_test", 30)["grad-cam"], flush=True)


def save(name, net, classes):
    metadata = {"labels": json.dumps(classes), "network": name, "inputSize": str(SIZE)}
    save_safetensors(MODELS / f"{name}.safetensors", folded(net), metadata)


# ---- measuring ----


def logits_of(net, rgb):
    with torch.no_grad():
        return torch.cat([net(preprocess(rgb[i : i + 100])) for i in range(0, len(rgb), 100)])


def accuracy(folder, net, _last):
    rgb, target, _ = dataset(folder, "single_test")
    result = {"single": (logits_of(net, rgb).argmax(1) == target.argmax(1)).float().mean().item()}
    rgb, target, _ = dataset(folder, "several_test")
    logits, present = logits_of(net, rgb), target > 0
    right = [set(row.topk(int(p.sum())).indices.tolist()) == set(p.nonzero().flatten().tolist()) for row, p in zip(logits, present)]
    result["several, all classes on top"] = float(np.mean(right))
    result["several, top one present"] = present.gather(1, logits.argmax(1, keepdim=True)).float().mean().item()
    return result


def sums(x):
    return x.sum((1, 2), keepdim=True)


# Each from A, the activations, and G, the gradients of the class's logit, both [K, h, w].
METHODS = {
    "grad-cam": lambda A, G: (G.mean((1, 2), keepdim=True) * A).sum(0),
    "grad-cam++": lambda A, G: (sums(G**2 / (2 * G**2 + sums(A) * G**3 + 1e-12) * G.clamp(min=0)) * A).sum(0),
    "xgrad-cam": lambda A, G: (sums(G * A) / (sums(A) + 1e-12) * A).sum(0),
    "hirescam": lambda A, G: (G * A).sum(0),
    "layercam": lambda A, G: (G.clamp(min=0) * A).sum(0),
}


def explained(net, last, x):
    """What is explained of one picture, a convolution's map or a transformer's tokens, and the logits behind it."""
    if isinstance(net, ToyVit):
        return net.explained(x)
    A = net.features[: last + 1](x).detach().requires_grad_()
    return A, net.classifier(torch.flatten(net.avgpool(net.features[last + 1 :](A)), 1))


def grid(x):
    """[1, K, h, w] as [K, h, w]; tokens [1, T, K] likewise, without the class token, the patches where they lie."""
    if x.dim() == 4:
        return x[0]
    side = round((x.shape[1] - 1) ** 0.5)
    return x[0, 1:].T.reshape(-1, side, side)


def localisation(folder, net, last, name, count=100):
    """Over the first `count` two-animal pictures of a set, each animal's map: how much of it lies where.

    mask: share of the heat on the two masks that is on the right one; inBox: share of all heat that is in
    the right box; otherBox: in the other's box; pointing: how often the hottest pixel is in the right box.
    """
    rgb, _, info = dataset(folder, name)
    owners = np.fromfile(folder / f"{name}.masks", np.uint8).reshape(-1, SIZE, SIZE)
    chosen = [i for i, p in enumerate(info["pictures"]) if len(set(p["classIds"])) == 2 and len(p["classIds"]) == 2]
    result = {method: [] for method in METHODS}
    for i in chosen[:count]:
        picture = info["pictures"][i]
        A, y = explained(net, last, preprocess(rgb[i : i + 1]))
        for k, class_id in enumerate(picture["classIds"]):
            (G,) = torch.autograd.grad(y[0, class_id], A, retain_graph=True)
            for method, formula in METHODS.items():
                raw = formula(grid(A.detach()), grid(G)).clamp(min=0)
                heat = F.interpolate(raw[None, None], (SIZE, SIZE), mode="bilinear", align_corners=False)[0, 0].numpy()
                own, other = heat[owners[i] == k + 1].sum(), heat[owners[i] == 2 - k].sum()
                (x0, y0, x1, y1), (u0, v0, u1, v1) = picture["boxes"][k], picture["boxes"][1 - k]
                row, column = divmod(int(heat.argmax()), SIZE)
                total = heat.sum() + 1e-12
                result[method].append((
                    own / (own + other + 1e-12),
                    heat[y0:y1, x0:x1].sum() / total,
                    heat[v0:v1, u0:u1].sum() / total,
                    float(x0 <= column < x1 and y0 <= row < y1),
                    float(own > other),
                ))  # fmt: skip
    keys = ("mask", "inBox", "otherBox", "pointing", "ownAboveOther")
    return {m: dict(zip(keys, np.mean(v, 0).round(3).tolist())) for m, v in result.items()}


def measure(folder, name):
    net, last = saved_net(name, len(dataset(folder, "single_test")[2]["classes"]))
    print(name, sum(p.numel() for p in net.parameters()), "parameters")
    print("accuracy", json.dumps(accuracy(folder, net, last)))
    for pictures in ("several_test", "catdog_test"):
        for method, figures in localisation(folder, net, last, pictures).items():
            print(f"{pictures:13} {method:11} {json.dumps(figures)}")


def write_logits(folder):
    """Float64 logits of both nets for two pictures of each kind, for a test of our own forward pass."""
    result = []
    for kind, index in (("single", 0), ("single", 1), ("several", 0), ("several", 1)):
        rgb, _, info = dataset(folder, f"{kind}_test")
        entry = {"kind": kind, "index": index, "split": "test", "size": SIZE, "logits": {}}
        for name in NETWORKS:
            net, _ = saved_net(name, len(info["classes"]))
            x = (rgb[index : index + 1].double() / 255 - MEAN.double()) / STD.double()
            with torch.no_grad():
                entry["logits"][name] = [round(v, 6) for v in net.double()(x)[0].tolist()]
        result.append(entry)
    (MODELS / "toy_logits.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["train", "measure", "logits"])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("network", choices=sorted(NETWORKS), nargs="?")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--steps", type=int, default=3000, help="toy_vit only, in place of epochs")
    parser.add_argument("--stop", type=int, help="end after this epoch of the schedule")
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.task != "logits" and options.network is None:
        parser.error(f"say which network: {', '.join(NETWORKS)}")
    if options.task == "train" and options.network == "toy_vit":
        train_vit(options.data, options.steps, options.rate, options.threads)
    elif options.task == "train":
        train(options.data, options.network, options.epochs, options.rate, options.stop)
    elif options.task == "measure":
        measure(options.data, options.network)
    else:
        write_logits(options.data)
