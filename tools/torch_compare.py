"""What the same work costs in PyTorch on the same card: forward passes, Grad-CAM, and Score-CAM in pytorch-grad-cam's batches.

  python3 tools/torch_compare.py                                  # CUDA where there is one, else the CPU
  python3 tools/torch_compare.py --ours bench/results/peers.json  # with our times of the same cases beside
  python3 tools/torch_compare.py --networks alexnet --maps 16 --rounds 3

Needs PyTorch 1.13 or later and nothing else: networks are written out below, weights are noise, speed does not depend on
them. Times are medians of rounds, each waited for. Float32 as PyTorch computes it by default, without TF32; --tf32 allows
it, which is a tenth of the precision in another column's name.
"""
import argparse
import contextlib
import json
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def alexnet():
    """torchvision's AlexNet; the maps of `features.11` are what its CAMs explain."""
    features = nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
    )
    head = nn.Sequential(
        nn.MaxPool2d(3, 2), nn.AdaptiveAvgPool2d(6), nn.Flatten(),
        nn.Dropout(), nn.Linear(9216, 4096), nn.ReLU(),
        nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000),
    )
    return features, head


def vgg16():
    """torchvision's VGG-16; the maps of `features.29`."""
    layers, channels = [], 3
    plan = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512]
    for width in plan:
        if width == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    head = nn.Sequential(
        nn.MaxPool2d(2, 2), nn.AdaptiveAvgPool2d(7), nn.Flatten(),
        nn.Linear(25088, 4096), nn.ReLU(), nn.Dropout(),
        nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 1000),
    )
    return nn.Sequential(*layers), head


class Block(nn.Module):
    """An encoder block of ViT, norm first, with PyTorch's fused attention where there is one."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        if hasattr(F, "scaled_dot_product_attention"):
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            y = (q @ k.transpose(-2, -1) * (d // self.heads) ** -0.5).softmax(-1) @ v
        x = x + self.out(y.transpose(1, 2).reshape(n, t, d))
        return x + self.mlp(self.norm2(x))


class VitB16(nn.Module):
    """ViT-B/16 at 224: 12 blocks, 197 tokens of 768."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 768, 16, 16)
        self.token = nn.Parameter(torch.zeros(1, 1, 768))
        self.positions = nn.Parameter(torch.zeros(1, 197, 768))
        self.blocks = nn.Sequential(*(Block(768, 12) for _ in range(12)))
        self.norm, self.head = nn.LayerNorm(768, 1e-6), nn.Linear(768, 1000)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.positions
        return self.head(self.norm(self.blocks(x))[:, 0])


NETWORKS = {"alexnet": alexnet, "vgg16": vgg16, "vit_b_16": lambda: (None, VitB16())}


def grad_cam(features, head, image, category):
    """relu(sum over k of mean(G[k]) A[k]), enlarged and scaled to 0 .. 1."""
    maps = features(image).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(head(maps)[0, category], maps)
    return finished((gradient.mean((2, 3), keepdim=True) * maps).sum(1).relu(), image)


def score_cam(features, head, image, category, channels, batch):
    """pytorch-grad-cam's order of work: all masks enlarged and scaled first, then batches of masked images."""
    with torch.no_grad():
        maps = features(image)[:, :channels]
        masks = F.interpolate(maps, image.shape[2:], mode="bilinear", align_corners=False)[0]
        flat = masks.flatten(1)
        low, high = flat.min(1)[0][:, None, None], flat.max(1)[0][:, None, None]
        masks = (masks - low) / (high - low + 1e-8)
        masked = image * masks[:, None]
        scores = [head(features(masked[i:i + batch]))[:, category] for i in range(0, len(masked), batch)]
        weights = torch.cat(scores).softmax(0)
        return finished((weights[None, :, None, None] * maps).sum(1).relu(), image)


def finished(raw, image):
    scaled = (raw - raw.min()) / (raw.max() - raw.min() + 1e-7)
    return F.interpolate(scaled[:, None], image.shape[2:], mode="bilinear", align_corners=False)


def measure(run, device, rounds):
    """Milliseconds of each round, after one that is not counted; and bytes at the peak."""
    cuda = device.type == "cuda"
    times = []
    for i in range(rounds + 1):
        if cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        run()
        if cuda:
            torch.cuda.synchronize()
        if i > 0:
            times.append(1000 * (time.perf_counter() - start))
    return times, torch.cuda.max_memory_allocated() if cuda else None


def cases(names, batches, channels, mask_batch, device):
    """Yields (name as bench:peers has it, what to run, passes of one image in it)."""
    for name in names:
        features, head = NETWORKS[name]()
        model = (nn.Sequential(features, head) if features else head).to(device).eval()
        for batch in batches:
            image = torch.randn(batch, 3, 224, 224, device=device)

            def forward(model=model, image=image):
                with torch.no_grad():
                    model(image)

            yield f"{name}-b{batch}", forward, batch
        if features is None:
            continue
        image = torch.randn(1, 3, 224, 224, device=device)
        yield f"{name}-grad-cam", lambda: grad_cam(features, head, image, 3), 1
        asked = channels or features(image).shape[1]
        yield (f"{name}-score-cam-{asked}",
               lambda: score_cam(features, head, image, 3, asked, mask_batch), asked)


def our_times(path):
    """The adapter and warm milliseconds of our cases by id, from bench:peers' JSON."""
    with open(path, encoding="utf8") as file:
        report = json.load(file)
    found = {}
    for case in report["cases"]:
        for peer in case["peers"]:
            if peer["peer"] == "ours" and peer.get("medianMs") is not None:
                found[case["id"]] = peer["medianMs"]
    return report["adapter"], found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--batches", default="1,8,32")
    parser.add_argument("--maps", type=int, default=0, help="channels of Score-CAM; 0 for all")
    parser.add_argument("--mask-batch", type=int, default=16, help="masked images in a pass (pytorch-grad-cam: 16)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tf32", action="store_true")
    parser.add_argument("--ours", help="JSON of bench:peers, for a column of ours and the ratio")
    parser.add_argument("--json", help="write all figures there")
    args = parser.parse_args()
    unknown = set(args.networks.split(",")) - set(NETWORKS)
    if unknown:
        sys.exit(f"torch_compare: no network {', '.join(sorted(unknown))}: there are {', '.join(NETWORKS)}")
    with contextlib.suppress(AttributeError):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = args.tf32
    torch.manual_seed(1)
    device = torch.device(args.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    adapter, ours = our_times(args.ours) if args.ours else ("", {})
    print(f"PyTorch {torch.__version__}, {name}, float32{' with TF32' if args.tf32 else ''}")
    print("\n| case | PyTorch ms | images/s | peak MiB |" + (f" ours ms ({adapter}) | PyTorch / ours |" if ours else ""))
    print("| --- | --- | --- | --- |" + (" --- | --- |" if ours else ""))
    rows = []
    batches = [int(b) for b in args.batches.split(",")]
    for case, run, images in cases(args.networks.split(","), batches, args.maps, args.mask_batch, device):
        times, peak = measure(run, device, args.rounds)
        ms = statistics.median(times)
        rows.append({"case": case, "ms": times, "images": images, "peakBytes": peak})
        line = f"| {case} | {ms:.2f} | {1000 * images / ms:.1f} | {peak / 2**20:.0f} |" if peak else \
            f"| {case} | {ms:.2f} | {1000 * images / ms:.1f} | – |"
        if ours:
            line += f" {ours[case]:.2f} | {ms / ours[case]:.2f} |" if case in ours else " – | – |"
        print(line, flush=True)
    if args.json:
        with open(args.json, "w", encoding="utf8") as file:
            json.dump({"torch": torch.__version__, "device": name, "tf32": args.tf32, "rows": rows}, file, indent=2)


if __name__ == "__main__":
    main()
