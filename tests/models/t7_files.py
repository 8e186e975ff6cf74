"""Torch 7 files made from the description of their format, and what their networks compute.

Networks are trees of ``Module`` as the original programs make them; ``render`` computes what such
a tree gives, layer by layer, and ``encode`` writes it byte by byte.
"""

import struct
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F


@dataclass(eq=False)
class Module:
    kind: str
    fields: dict = field(default_factory=dict)


class Encoder:
    """Writes values; whatever is met again (tables, modules, arrays' memory) is referred to."""

    def __init__(self, version=True):
        self.data = bytearray()
        self.indices = {}
        self.kept = []
        self.version = version

    def number(self, form, *values):
        self.data += struct.pack("<" + form, *values)

    def text(self, text):
        self.number("i", len(text))
        self.data += text.encode()

    def value(self, value):
        if value is None:
            self.number("i", 0)
        elif isinstance(value, bool):
            self.number("ii", 5, value)
        elif isinstance(value, int | float):
            self.number("id", 1, value)
        elif isinstance(value, str):
            self.number("i", 2)
            self.text(value)
        elif isinstance(value, dict | list):
            if self.begin(3, value):
                if isinstance(value, list):
                    value = dict(enumerate(value, start=1))
                self.number("i", len(value))
                for key, item in value.items():
                    self.value(key)
                    self.value(item)
        elif isinstance(value, Module):
            if self.begin(4, value):
                self.class_name(f"nn.{value.kind}")
                self.value(value.fields)
        else:
            self.tensor(value)

    def begin(self, kind, thing):
        """Type and index of a thing; whether it is met for the first time."""
        known = id(thing) in self.indices
        self.kept.append(thing)  # or its id could be given out again
        self.number("ii", kind, self.indices.setdefault(id(thing), len(self.indices) + 1))
        return not known

    def class_name(self, name):
        if self.version:
            self.text("V 1")
        self.text(name)

    def tensor(self, array):
        kind = {"f4": "Float", "f8": "Double", "i8": "Long"}[array.dtype.str[1:]]
        self.begin(4, object())
        self.class_name(f"torch.{kind}Tensor")
        base = array if array.base is None else array.base
        offset = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        self.number("i", array.ndim)
        self.number(f"{array.ndim}q", *array.shape)
        self.number(f"{array.ndim}q", *(stride // array.itemsize for stride in array.strides))
        self.number("q", offset // array.itemsize + 1)
        if base.size == 0:
            self.value(None)
        elif self.begin(4, base):
            self.class_name(f"torch.{kind}Storage")
            self.number("q", base.size)
            self.data += base.tobytes()


def encode(value, version=True):
    """The bytes of a file."""
    encoder = Encoder(version)
    encoder.value(value)
    return bytes(encoder.data)


class Maker:
    """Makes the networks of fast-artistic-videos and fast-neural-style with random weights."""

    def __init__(self, padding="reflect-start", norm="instance", matrices=False, seed=0):
        self.padding = padding
        self.norm_name = norm
        self.matrices = matrices
        self.random = np.random.default_rng(seed)

    def weights(self, *shape):
        bound = 1 / np.sqrt(np.prod(shape[1:]))
        return self.random.uniform(-bound, bound, shape).astype(np.float32)

    def norm(self, n):
        fields = {"weight": self.random.uniform(0.5, 1.5, n), "bias": self.random.normal(size=n)}
        fields = {name: value.astype(np.float32) for name, value in fields.items()}
        fields["eps"] = 1e-5
        if self.norm_name == "instance":
            # The original keeps a batch normalization inside, of which nothing is used.
            inner = Module("SpatialBatchNormalization", {"running_mean": np.zeros(n, np.float32)})
            return Module("InstanceNormalization", {**fields, "nOutput": n, "bn": inner})
        fields["running_mean"] = self.random.normal(size=n).astype(np.float32)
        fields["running_var"] = self.random.uniform(0.5, 2, n).astype(np.float32)
        return Module("SpatialBatchNormalization", fields)

    def convolution(self, channels, filters, kernel, stride, pad):
        weight = self.weights(filters, channels, kernel, kernel)
        return Module(
            "SpatialConvolution",
            {
                "nInputPlane": channels, "nOutputPlane": filters,
                "kW": kernel, "kH": kernel, "dW": stride, "dH": stride, "padW": pad, "padH": pad,
                "weight": weight.reshape(filters, -1).copy() if self.matrices else weight,
                "bias": self.weights(filters), "gradInput": np.empty(0, np.float32),
                "_type": "torch.FloatTensor", "train": False,
            },
        )  # fmt: skip

    def full_convolution(self, channels, filters, kernel, stride):
        half, more = (kernel - 1) // 2, stride - 1
        return Module(
            "SpatialFullConvolution",
            {
                "kW": kernel, "kH": kernel, "dW": stride, "dH": stride,
                "padW": half, "padH": half, "adjW": more, "adjH": more,
                "weight": self.weights(channels, filters, kernel, kernel),
                "bias": self.weights(filters),
            },
        )  # fmt: skip

    def border(self, width):
        kind = "Reflection" if self.padding.startswith("reflect") else "Replication"
        return Module(f"Spatial{kind}Padding", {f"pad_{side}": width for side in "lrtb"})

    def padded(self, channels, filters, kernel, stride):
        half = (kernel - 1) // 2
        if self.padding in ("reflect", "replicate"):
            return [self.border(half), self.convolution(channels, filters, kernel, stride, 0)]
        return [self.convolution(channels, filters, kernel, stride, half)]

    def block(self, channels, filters):
        valid = self.padding == "reflect-start"
        parts = []
        for n in (channels, filters):
            parts += (
                [self.convolution(n, filters, 3, 1, 0)] if valid else self.padded(n, filters, 3, 1)
            )
            parts += [self.norm(filters), Module("ReLU")]
        return Module("Sequential", {"modules": parts[:-1]})

    def element(self, text, channels):
        """Layers of one element of an architecture string, and the channels after it."""
        kind, rest = text[0], text[1:]
        if kind == "U":
            return [Module("SpatialUpSamplingNearest", {"scale_factor": int(rest)})], channels
        if kind in "cf":
            kernel, stride, filters = int(rest[0]), int(rest[2]), int(rest[4:])
            make = self.padded if kind == "c" else lambda *sizes: [self.full_convolution(*sizes)]
            return make(channels, filters, kernel, stride), filters
        filters = int(rest)
        if kind == "d":
            return [self.convolution(channels, filters, 3, 2, 1)], filters
        if kind == "u":
            return [self.full_convolution(channels, filters, 3, 2)], filters
        block = self.block(channels, filters)
        if kind == "C":
            return [block, Module("ReLU")], filters
        valid = self.padding == "reflect-start"
        skip = Module("ShaveImage", {"size": 2}) if valid else Module("Identity")
        both = Module("ConcatTable", {"modules": [block, skip]})
        return [Module("Sequential", {"modules": [both, Module("CAddTable")]})], filters

    def network(self, arch, channels, constant=150.0, start=None):
        """The whole network; ``start`` is the width of the padding at the beginning."""
        layers = [self.border(start)] if start else []
        elements = arch.split(",")
        for index, text in enumerate(elements):
            made, channels = self.element(text, channels)
            layers += made
            if index < len(elements) - 1 and text[0] not in "RC":
                layers += [self.norm(channels), Module("ReLU")]
        layers += [
            Module("Tanh"),
            Module("MulConstant", {"constant_scalar": constant, "inplace": False}),
            Module("TotalVariation", {"strength": 1e-6}),
        ]
        return Module("Sequential", {"modules": layers})


def render(module, x):
    """What a module gives for x (N, C, H, W), from the definitions of its layers."""
    get = module.fields.get
    if module.kind == "Sequential":
        for part in get("modules"):
            x = render(part, x)
        return x
    if module.kind == "ConcatTable":
        return [render(part, x) for part in get("modules")]
    if module.kind == "CAddTable":
        return sum(x)
    if module.kind in ("Identity", "TotalVariation"):
        return x
    if module.kind == "ReLU":
        return x.clamp(min=0)
    if module.kind == "Tanh":
        return torch.tanh(x)
    if module.kind == "MulConstant":
        return x * get("constant_scalar")
    if module.kind == "ShaveImage":
        s = get("size")
        return x[..., s:-s, s:-s]
    if module.kind == "SpatialUpSamplingNearest":
        s = get("scale_factor")
        return x.repeat_interleave(s, -1).repeat_interleave(s, -2)
    if module.kind.endswith("Padding"):
        mode = "reflect" if "Reflection" in module.kind else "replicate"
        return F.pad(x, [get(f"pad_{side}") for side in "lrtb"], mode=mode)
    weight, bias = torch.from_numpy(get("weight")), torch.from_numpy(get("bias"))
    if module.kind == "SpatialConvolution":
        weight = weight.reshape(len(bias), -1, get("kH"), get("kW"))
        return F.conv2d(x, weight, bias, (get("dH"), get("dW")), (get("padH"), get("padW")))
    if module.kind == "SpatialFullConvolution":
        stride, pad, more = ((get(f"{n}H"), get(f"{n}W")) for n in ("d", "pad", "adj"))
        return F.conv_transpose2d(x, weight, bias, stride, pad, more)
    if module.kind == "InstanceNormalization":
        mean = x.mean((2, 3), keepdim=True)
        variance = x.var((2, 3), correction=0, keepdim=True)
    else:
        mean = torch.from_numpy(get("running_mean")).view(1, -1, 1, 1)
        variance = torch.from_numpy(get("running_var")).view(1, -1, 1, 1)
    x = (x - mean) / (variance + get("eps")).sqrt()
    return x * weight.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)
