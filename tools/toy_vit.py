"""toy_vit: a small vision transformer, its parameters named as torchvision's VisionTransformer names them.

A transformer left to itself learns slowly from few pictures: from a random start, shown a random third of the patches
at a time, it had 60 % of single animals right after 96,000 views. What is here had 71 % after 19,000: a start that
is nearly convolutional (`begin`), a convolutional teacher for its patches, and orthogonal steps (`Muon`).
The commands are in train_toy.py.
"""
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

IMAGE, PATCH, WIDTH, DEPTH, HEADS, HIDDEN = 112, 8, 96, 5, 3, 192
SIDE = IMAGE // PATCH
EPS = 1e-6
# Of a token's WIDTH numbers, those that start as what the patch shows; the rest, one head's width, start as its place.
CONTENT = WIDTH - WIDTH // HEADS
# How far from a patch each head of a block starts looking, in patches down and right; the last block looks anywhere.
DISTANCES = [
    [(-1, 0), (0, 1), (1, 0)],
    [(0, -1), (1, 1), (-1, 0)],
    [(-2, 0), (0, 2), (2, 0)],
    [(0, -2), (0, 2), (0, 0)],
]
SHARPNESS = 1.8  # a quarter to a half of a head's attention falls on the patch at its distance
TEACHER_LAYERS = {1: 10, 3: 14}  # block: toy_vgg's node, of 14 x 14 too, that its patches learn to tell
HINT = 4  # weight of that in the loss


class Attention(nn.Module):
    """Multi-head attention with nn.MultiheadAttention's parameters; queries, keys and values stacked in that order."""

    def __init__(self):
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * WIDTH, WIDTH))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * WIDTH))
        self.out_proj = nn.Linear(WIDTH, WIDTH)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x):
        n, tokens, width = x.shape
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias).view(n, tokens, 3, HEADS, width // HEADS)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        if hasattr(F, "scaled_dot_product_attention"):  # since PyTorch 2.0, and several times faster
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            y = (q @ k.transpose(-1, -2) / (width // HEADS) ** 0.5).softmax(-1) @ v
        return self.out_proj(y.transpose(1, 2).reshape(n, tokens, width))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1 = nn.LayerNorm(WIDTH, EPS)
        self.self_attention = Attention()
        self.ln_2 = nn.LayerNorm(WIDTH, EPS)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, HIDDEN), nn.GELU(), nn.Dropout(0), nn.Linear(HIDDEN, WIDTH), nn.Dropout(0)
        )

    def forward(self, x):
        x = x + self.self_attention(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.zeros(1, SIDE * SIDE + 1, WIDTH))
        self.layers = nn.Sequential(OrderedDict((f"encoder_layer_{i}", Block()) for i in range(DEPTH)))
        self.ln = nn.LayerNorm(WIDTH, EPS)


class ToyVit(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.class_token = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.1)
        self.conv_proj = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.encoder = Encoder()
        self.heads = nn.Sequential(OrderedDict(head=nn.Linear(WIDTH, classes)))

    def tokens(self, x, top=0, left=0):
        """The class token, then the patches with their places; x may be a cut-out from patch `top`, `left` on."""
        patches = self.conv_proj(x)
        place = self.encoder.pos_embedding[:, 1:].view(1, SIDE, SIDE, WIDTH)
        place = place[:, top : top + patches.shape[2], left : left + patches.shape[3]].flatten(1, 2)
        first = self.class_token + self.encoder.pos_embedding[:, :1]
        return torch.cat([first.expand(len(x), -1, -1), patches.flatten(2).transpose(1, 2) + place], 1)

    def forward(self, x):
        return self.logits(self.encoder.layers(self.tokens(x)))

    def logits(self, x):
        return self.heads(self.encoder.ln(x)[:, 0])

    def explained(self, x):
        """What Grad-CAM explains: the last block's first norm [1, tokens, WIDTH], and the logits behind it."""
        *before, last = self.encoder.layers
        x = self.tokens(x)
        for block in before:
            x = block(x)
        x = x.detach()
        A = last.ln_1(x).detach().requires_grad_()
        y = x + last.self_attention(A)
        return A, self.logits(y + last.mlp(last.ln_2(y)))


# ---- a start from which few pictures suffice ----


def begin(net, pictures):
    """Sets first weights that make the net nearly a convolutional one, in place; `pictures` are preprocessed.

    A token is CONTENT principal components of its patch, whitened, then sines and cosines of its place. Every
    block but the last attends to what lies at a set distance: its queries are places moved by that distance.
    """
    patches = F.unfold(pictures, PATCH, stride=PATCH).transpose(1, 2).flatten(0, 1)
    values, vectors = torch.linalg.eigh(torch.cov(patches.T))
    basis = vectors.flip(1)[:, :CONTENT] / (values.flip(0)[:CONTENT] + 1e-2).sqrt()
    waves = 2 * np.pi / torch.from_numpy(np.geomspace(3, 40, (WIDTH - CONTENT) // 4)).float()

    def place(row, column):  # both [n]; [n, WIDTH - CONTENT]
        angles = torch.cat([row[:, None] * waves, column[:, None] * waves], 1)
        return torch.cat([angles.sin(), angles.cos()], 1)

    def moved(row, column):
        """The rotation that takes place(r, c) to place(r + row, c + column)."""
        angles = torch.cat([row * waves, column * waves])
        sin, cos = torch.diag(angles.sin()), torch.diag(angles.cos())
        return torch.cat([torch.cat([cos, sin], 1), torch.cat([-sin, cos], 1)])

    with torch.no_grad():
        net.conv_proj.weight.normal_(std=0.01)
        net.conv_proj.weight[:CONTENT] = basis.T.view(CONTENT, 3, PATCH, PATCH)
        net.conv_proj.bias.zero_()
        net.conv_proj.bias[:CONTENT] = -patches.mean(0) @ basis
        rows, columns = torch.meshgrid(torch.arange(SIDE).float(), torch.arange(SIDE).float(), indexing="ij")
        net.encoder.pos_embedding[0, 1:, CONTENT:] = place(rows.flatten(), columns.flatten())
        for block, distances in zip(net.encoder.layers, DISTANCES):
            attention = block.self_attention
            attention.in_proj_weight[: 2 * WIDTH] *= 0.2
            queries, keys, _ = attention.in_proj_weight.view(3, HEADS, WIDTH // HEADS, WIDTH)
            for q, k, (row, column) in zip(queries, keys, distances):
                q[:, CONTENT:] += SHARPNESS * moved(row, column)
                k[:, CONTENT:] += SHARPNESS * torch.eye(WIDTH - CONTENT)
        for block in net.encoder.layers:
            block.self_attention.out_proj.weight *= 0.5
            block.mlp[3].weight *= 0.5
        net.heads.head.weight.zero_()
        net.heads.head.bias.fill_(-1)


# ---- training ----


def rescaled(rgb, random):
    """Each picture by itself mirrored or not, shrunk or enlarged, and moved."""
    n = len(rgb)
    zoom = np.exp(random.uniform(np.log(0.9), np.log(1.25), n))  # above 1: seen from further away
    shift = random.uniform(-0.15, 0.15, (n, 2))
    mirror = np.where(random.random(n) < 0.5, -1, 1)
    affine = np.zeros((n, 2, 3), np.float32)
    affine[:, 0, 0], affine[:, 1, 1], affine[:, :, 2] = zoom * mirror, zoom, shift
    grid = F.affine_grid(torch.from_numpy(affine), rgb.shape, align_corners=False)
    return F.grid_sample(rgb.float() / 255, grid, padding_mode="reflection", align_corners=False)


class Teacher:
    """toy_vgg: its logits, and two of its layers with every channel's spread made 1."""

    def __init__(self, net, pictures):
        self.net = net
        self.spread = {block: 1.0 for block in TEACHER_LAYERS}
        self.spread = {block: value.std((0, 1)) + 1e-3 for block, value in self(pictures)[1].items()}

    def __call__(self, x):
        taught = {}
        with torch.no_grad():
            for i, layer in enumerate(self.net.features):
                x = layer(x)
                for block, node in TEACHER_LAYERS.items():
                    if node == i:
                        taught[block] = x.flatten(2).transpose(1, 2) / self.spread[block]
            return self.net.classifier(torch.flatten(self.net.avgpool(x), 1)), taught


class VitTrainer:
    """Gradients for toy_vit, each part of a batch by a thread of its own: faster than threads inside small products.

    Three losses: the logits against the classes; and, where two of the blocks end, linear layers (`hints`,
    thrown away after training) against two of the teacher's maps. The latter make a transformer learn from
    few pictures, with patches that say what is where.
    """

    def __init__(self, net, teacher, recoloured, workers, seed):
        self.net, self.teacher, self.recoloured = net, teacher, recoloured
        self.hints = nn.ModuleDict({str(block): nn.Linear(WIDTH, len(s)) for block, s in teacher.spread.items()})
        self.parameters = [*net.parameters(), *self.hints.parameters()]
        self.randoms = [np.random.default_rng([seed, i]) for i in range(workers)]
        self.pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))

    def part(self, rgb, target, side, random):
        x = self.recoloured(rescaled(rgb, random), random)
        top, left = random.integers(0, SIDE - side + 1, 2)
        y, x0 = top * PATCH, left * PATCH
        x = x[:, :, y : y + side * PATCH, x0 : x0 + side * PATCH]
        logits, taught = self.teacher(x)
        if side < SIDE:
            target = logits.sigmoid()  # an animal may lie outside; the teacher sees what the net sees
        x = self.net.tokens(x, top, left)
        losses = []
        for i, block in enumerate(self.net.encoder.layers):
            x = block(x)
            if i in taught:
                hint = self.hints[str(i)](F.layer_norm(x[:, 1:], (WIDTH,)))
                losses.append(F.mse_loss(hint, taught[i], reduction="none").mean((1, 2)).sum())
        losses.insert(0, F.binary_cross_entropy_with_logits(self.net.logits(x), target, reduction="sum"))
        total = losses[0] + HINT * sum(losses[1:])
        return torch.autograd.grad(total, self.parameters), [v.item() for v in losses]

    def gradients(self, rgb, target, side):
        """Sets every parameter's gradient; the losses, means over the batch. side: of the cut-out shown, in patches."""
        count = len(self.randoms)
        parts = list(self.pool.map(self.part, rgb.chunk(count), target.chunk(count), [side] * count, self.randoms))
        for parameter, *each in zip(self.parameters, *(gradients for gradients, _ in parts)):
            parameter.grad = sum(each) / len(rgb)
        return np.sum([losses for _, losses in parts], 0) / len(rgb)


class Muon(torch.optim.Optimizer):
    """Momentum whose step for a matrix is made orthogonal (Jordan et al. 2024): about half the steps of AdamW."""

    def __init__(self, parameters, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                average = self.state[p].setdefault("average", torch.zeros_like(p))
                average.lerp_(p.grad, 1 - group["momentum"])
                u = p.grad.lerp(average, group["momentum"])
                u = torch.cat([orthogonal(m) for m in u.split(WIDTH)]) if len(u) == 3 * WIDTH else orthogonal(u)
                p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(u, alpha=group["lr"])


def orthogonal(m):
    """The nearest matrix with singular values of about 1, by five Newton-Schulz steps of degree 5."""
    x = m.T if m.shape[0] > m.shape[1] else m
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.T if m.shape[0] > m.shape[1] else x) * max(1, m.shape[0] / m.shape[1]) ** 0.5
