"""Seeded damage to valid files: the same seed and number give the same bytes everywhere."""

import hashlib
import io
import json
import random
import struct
import zipfile

_INTEGERS = (0, 1, -1, 2, 7, 127, 128, 255, 256, 4096, 32767, 65535, 10**6, 2**30, 2**31 - 1)
_INTEGERS += (-(2**31), 2**32 - 1, 2**40, 2**62, 2**63 - 1, -(2**63))
_FORMS = ("b", "<h", "<i", "<q", ">i")
_FLOATS = (0.0, -1.0, 1e-300, 1e9, 1e300, float("inf"), float("-inf"), float("nan"))


class Mutator:
    """Damages one of some valid files in one to eight places.

    ``tokens`` are pieces that mean something in the format; they are put in as they are.
    """

    def __init__(self, files, tokens=(), seed=0):
        self.files = list(files)
        self.tokens = list(tokens)
        self.seed = seed

    def __call__(self, number):
        """The bytes of input ``number``."""
        chance = random.Random(f"{self.seed}/{number}")
        data = bytearray(chance.choice(self.files))
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            self._damage(data, chance)
        return bytes(data)

    def _damage(self, data, chance):
        kinds = (self._flip, self._set, self._number, self._cut, self._drop, self._repeat)
        kinds += (self._splice, self._token) if self.tokens else (self._splice,)
        chance.choice(kinds)(data, chance)

    def _place(self, data, chance):
        """Formats keep what matters at the beginning and at the end."""
        if not data:
            return 0
        kind = chance.random()
        if kind < 0.5:
            return chance.randrange(len(data))
        near = int(len(data) ** chance.random()) - 1
        return near if kind < 0.85 else len(data) - 1 - near

    def _flip(self, data, chance):
        if data:
            data[self._place(data, chance)] ^= 1 << chance.randrange(8)

    def _set(self, data, chance):
        if data:
            data[self._place(data, chance)] = chance.choice((0, 255, 0x80, chance.randrange(256)))

    def _number(self, data, chance):
        place = self._place(data, chance)
        if chance.random() < 0.2:
            piece = struct.pack(chance.choice(("<f", "<d")), chance.choice(_FLOATS[:4]))
        else:
            form = chance.choice(_FORMS)
            bits = 8 * struct.calcsize(form)
            value = chance.choice(_INTEGERS) % 2**bits
            piece = struct.pack(form, value - 2**bits if value >= 2 ** (bits - 1) else value)
        data[place : place + len(piece)] = piece

    def _cut(self, data, chance):
        del data[self._place(data, chance) :]

    def _drop(self, data, chance):
        place = self._place(data, chance)
        del data[place : place + int(2 ** (10 * chance.random()))]

    def _repeat(self, data, chance):
        place = self._place(data, chance)
        piece = data[place : place + int(2 ** (10 * chance.random()))]
        data[place:place] = piece * chance.choice((1, 2, 30))

    def _splice(self, data, chance):
        other = chance.choice(self.files)
        place = self._place(other, chance)
        piece = other[place : place + int(2 ** (10 * chance.random()))]
        place = self._place(data, chance)
        data[place : place + chance.choice((0, len(piece)))] = piece

    def _token(self, data, chance):
        place = self._place(data, chance)
        data[place : place + chance.choice((0, 0, 1, 4))] = chance.choice(self.tokens)


def damaged_inside(mutator, wrap):
    """Inputs whose inner part is damaged and whose wrapping fits it: checks of it are passed."""

    def make(number):
        return wrap(mutator(number))

    return make


def sealed(data):
    """Give JSON the checksum that a run's files carry, if it is an object."""
    try:
        value = json.loads(data)
        value.pop("sha256", None)
        digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
        return json.dumps({**value, "sha256": digest}).encode()
    except (ValueError, AttributeError, TypeError, RecursionError):
        return data


def alternately(*makers):
    """Inputs of several makers in turn."""

    def make(number):
        return makers[number % len(makers)](number)

    return make


def safetensors_around(rest):
    """Put a header before the numbers ``rest``."""

    def wrap(header):
        return struct.pack("<Q", len(header)) + header + rest

    return wrap


def archive_around(data):
    """Put another pickle into an archive that torch.save made."""

    def wrap(pickled):
        stream = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(data)) as old,
            zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as new,
        ):
            for name in old.namelist():
                new.writestr(name, pickled if name.endswith("data.pkl") else old.read(name))
        return stream.getvalue()

    return wrap
